"""Where one episode of a recording ends and the next begins."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import STRETCH
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.bags.mapping import Episodes

Array = NDArray[np.float64]


class Cuts:
    """Numbers episodes and their steps."""

    def __init__(self, config: Episodes, spec: TaskSpec) -> None:
        self._new_goal, self._period_ns = config.new_goal, spec.period_ns
        self._gap_ns = config.gap_s * 1e9
        self._steps = config.steps or spec.episode_steps
        self._episode, self._step, self._last_ns, self._goal = -1, 0, 0, np.zeros(0)
        self._due = self._pause = True

    def begin(self, pause: bool = False) -> None:
        """The next command begins an episode; with `pause`, time in between is nothing to speak of."""
        self._due, self._pause = True, pause

    def place(self, stamp_ns: int, goal: Array) -> tuple[int, int, float]:
        """Episode and step of a command, and a gap in s before it that ended an episode, else 0.

        A command that is missing in between takes its step with it.
        """
        apart_ns = stamp_ns - self._last_ns
        passed = apart_ns / self._period_ns
        step = self._step + (1 if passed <= STRETCH else max(2, round(passed)))
        gap_s = apart_ns / 1e9 if apart_ns > self._gap_ns and not self._pause else 0.0
        other = self._new_goal and goal is not self._goal and not np.array_equal(goal, self._goal)
        if self._due or other or gap_s or step >= self._steps:
            self._episode, step = self._episode + 1, 0
        self._step, self._last_ns, self._goal, self._due = step, stamp_ns, goal, False
        self._pause = False
        return self._episode, step, gap_s
