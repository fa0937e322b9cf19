"""The same task under another reward: by other parameters of its own formula, or by a function from outside."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import check
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.base import Array, Task

RECORDED = "recorded"
"""`details.reward` of a spec whose rewards stand in the data, because a function from outside gave them."""

JUDGING = {"reach": {"reward": "both", "success_radius_m": None}}
"""Task -> parameters that only its reward and success depend on, each with the value that a spec leaves unsaid."""


def judged_by(spec: TaskSpec, kind: type, changes: Mapping[str, Any]) -> TaskSpec:
    """The spec of the same task with other parameters of its reward; `kind` is the task's configuration.

    Raises ConfigError for a name that the task's reward does not depend on, or a value out of range.
    """
    known, items = JUDGING.get(spec.task, {}), {item.name: item for item in fields(kind)}
    details = dict(spec.details)
    for name, value in changes.items():
        if name not in known:
            raise ConfigError(
                f"the reward of a {spec.task} task has no {name}; it has: {', '.join(known) or 'nothing'}"
            )
        details[name] = check(items[name], value, "task.")
        if details[name] == known[name]:
            del details[name]
    return replace(spec, details=details)


class RecordedReward:
    """A task whose rewards are those in the data: no formula gives them (NaN), so nobody can try another goal."""

    def __init__(self, task: Task, spec: TaskSpec) -> None:
        self._task, self.spec = task, spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def reward(self, next_joint_position: Array, goal: Array) -> Array:
        """NaN, (...)."""
        return np.full(np.shape(next_joint_position)[:-1], np.nan)

    def reward_at(self, achieved_goal: Array, goal: Array) -> Array:
        """NaN, (...)."""
        return np.full(np.shape(achieved_goal)[:-1], np.nan)

    def with_goal(self, observation: NDArray[np.float32], goal: Array) -> NDArray[np.float32]:
        """The observation itself: the goal stays as it was."""
        return observation
