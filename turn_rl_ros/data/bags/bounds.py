"""Whether an action lies within the bounds of its task; without NumPy, which takes five times as long for one."""

from operator import le
from typing import Any

from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.bags.commands import Answer

ROOM = 1e-6
"""A share of the range that rounding may cost."""


class Bounds:
    """The bounds of a task's actions; indices have none."""

    def __init__(self, spec: TaskSpec) -> None:
        self._action_of = make_task(spec).executed_action
        self._box: Any = spec.action if isinstance(spec.action, Box) else None
        pairs = list(zip(self._box.low, self._box.high, strict=True)) if self._box else []
        self._low = [low - ROOM * (high - low) for low, high in pairs]
        self._high = [high + ROOM * (high - low) for low, high in pairs]

    def outside(self, answer: Answer) -> str:
        """In what way the action of a command lies outside; "" when it does not. NaN lies outside."""
        if self._box is None:
            return ""
        action = self._action_of(answer.command, answer.state.position).tolist()
        if all(map(le, self._low, action)) and all(map(le, action, self._high)):
            return ""
        inside = [low <= value <= high for low, value, high in zip(self._low, action, self._high, strict=True)]
        at, box = inside.index(False), self._box
        told = f"{box.names[at]} = {action[at]:.3g} {box.units[at]}"
        return f"its action {told} is outside the task's [{box.low[at]:g}, {box.high[at]:g}]"
