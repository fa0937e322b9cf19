"""Tasks: from `task.*` parameters to a spec, and from a spec to the code that gives it meaning."""

from collections.abc import Callable, Mapping
from typing import Any

from turn_rl_ros.core.config import from_mapping
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.base import Task
from turn_rl_ros.core.task.grid import Grid, GridConfig, grid_spec
from turn_rl_ros.core.task.reach import Reach, ReachConfig, reach_spec

__all__ = ["CONFIGS", "Task", "make_spec", "make_task"]

CONFIGS: dict[str, type] = {"reach": ReachConfig, "gridworld": GridConfig}
_SPECS: dict[str, Callable[[Any], TaskSpec]] = {"reach": reach_spec, "gridworld": grid_spec}
_TASKS: dict[str, Callable[[TaskSpec], Task]] = {"reach": Reach, "gridworld": Grid}


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
    return _TASKS[spec.task](spec)
