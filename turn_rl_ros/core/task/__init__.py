"""Tasks: from `task.*` parameters to a spec, and from a spec to the code that gives it meaning."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from turn_rl_ros.core.config import from_mapping
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.base import Task
from turn_rl_ros.core.task.grid import Grid, GridConfig, grid_spec
from turn_rl_ros.core.task.gymnasium import Gymnasium, GymnasiumConfig, gymnasium_spec
from turn_rl_ros.core.task.judged import RECORDED, RecordedReward, judged_by
from turn_rl_ros.core.task.reach import Reach, ReachConfig, reach_spec
from turn_rl_ros.core.task.recorded import Recorded, RecordedConfig, recorded_spec

__all__ = ["CONFIGS", "Task", "change_reward", "make_spec", "make_task", "with_recorded_reward"]

CONFIGS: dict[str, type] = {
    "reach": ReachConfig,
    "gridworld": GridConfig,
    "recorded": RecordedConfig,
    "gymnasium": GymnasiumConfig,
}
_SPECS: dict[str, Callable[[Any], TaskSpec]] = {
    "reach": reach_spec,
    "gridworld": grid_spec,
    "recorded": recorded_spec,
    "gymnasium": gymnasium_spec,
}
_TASKS: dict[str, Callable[[TaskSpec], Task]] = {
    "reach": Reach,
    "gridworld": Grid,
    "recorded": Recorded,
    "gymnasium": Gymnasium,
}


def make_spec(values: Mapping[str, Any], where: str = "task") -> TaskSpec:
    """The spec for `task.*` parameters; `kind` chooses the task. Raises ConfigError."""
    kind = values.get("kind", "reach")
    if kind not in CONFIGS:
        raise ConfigError(f"{where}: task.kind = {kind!r}; known: {', '.join(CONFIGS)}")
    return _SPECS[kind](from_mapping(CONFIGS[kind], values, where))


def make_task(spec: TaskSpec) -> Task:
    """The task that a spec describes, from a session file's attributes as well as from parameters."""
    if spec.task not in _TASKS:
        raise ConfigError(f"the spec names the task {spec.task!r}; this version knows {', '.join(_TASKS)}")
    if spec.details.get("reward") != RECORDED:
        return _TASKS[spec.task](spec)
    details = {name: value for name, value in spec.details.items() if name != "reward"}
    return cast(Task, RecordedReward(_TASKS[spec.task](replace(spec, details=details)), spec))


def change_reward(spec: TaskSpec, changes: Mapping[str, Any]) -> TaskSpec:
    """The spec of the same task with another `reward` or `success_radius_m`. Raises ConfigError."""
    return judged_by(spec, CONFIGS[spec.task], changes)


def with_recorded_reward(spec: TaskSpec) -> TaskSpec:
    """The spec of the same task whose rewards are those in the data, which a function from outside gave."""
    return replace(spec, details={**spec.details, "reward": RECORDED})
