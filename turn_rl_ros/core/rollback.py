"""When a new policy goes back to where it came from: the rule, with no ROS and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import EXPLORING, POLICY
from turn_rl_ros.core.config import param
from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.task import Task

SPLITS = 1999
"""Random splits that a comparison draws; with the one at hand, 2000."""


@dataclass(frozen=True)
class TrialConfig:
    """How the executor tries a new policy."""

    trial_episodes: int = param(
        5, "first episodes of a new policy after which it is judged by the one before; 0: never", low=0, high=1000
    )
    trial_level: float = param(
        0.01, "probability of rolling back a policy that is as good as the one before", low=1e-3, high=0.5
    )
    trial_interventions: float = param(
        0.5, "share of those episodes' ticks that the guard may change before the policy is rolled back", low=0, high=1
    )


class Returns:
    """Undiscounted returns of the episodes that a policy drove, from the states as they come.

    A tick costs one list append; the reward is worked out once an episode. Episodes at random, ways home and episodes
    that were cut are left out.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._first: Decision | None = None
        self._next: list[NDArray[np.float64]] = []

    def tick(self, position: NDArray[np.float64], decision: Decision) -> float | None:
        """Take in a joint position (n_joints,) and the decision for it; the return of an episode that it ended."""
        first = self._first
        if first is not None and decision.episode == first.episode:
            self._next.append(position)
            return None
        ended = self._next
        self._first, self._next = decision, []
        if first is None or first.behaviour not in (POLICY, EXPLORING):
            return None
        ended.append(position)
        if len(ended) != self._task.spec.episode_steps:
            return None
        return float(self._task.reward(np.array(ended), first.goal).sum())


def chance(old: Sequence[float], new: Sequence[float]) -> float:
    """Probability that episodes of one and the same policy would split into means as far apart as these.

    One-sided permutation test (Fisher 1935), with random splits as in Phipson and Smyth 2010: it holds its level for
    returns of any distribution, also a handful of them. Where there are too few old episodes it says so by itself: the
    smallest value is one over the number of splits.

    Args:
        old: returns of the policy before; the fewer, the less can be said.
        new: returns of the policy on trial.
    """
    pool, count = np.array([*new, *old], dtype=np.float64), len(new)
    if len(pool) == count:
        return 1.0
    order = np.random.default_rng(0).random((SPLITS, len(pool))).argpartition(count - 1, axis=1)
    means = pool[order[:, :count]].mean(axis=1)
    return float((1 + (means <= pool[:count].mean() + 1e-9).sum()) / (1 + SPLITS))


class Trial:
    """The first episodes of a policy, against the one that acted before."""

    def __init__(self, config: TrialConfig, old: Sequence[float]) -> None:
        """`old`: returns of the policy before; empty where nothing is known of it."""
        self._config, self._old = config, old
        self._ticks = self._changed = 0
        self.returns: list[float] = []

    @property
    def over(self) -> bool:
        """Whether the policy was judged."""
        return len(self.returns) >= self._config.trial_episodes

    def executed(self, decision: Decision) -> None:
        """Take in what the guard made of a decision."""
        if decision.behaviour in (POLICY, EXPLORING) and decision.episode != NO_EPISODE:
            self._ticks += 1
            self._changed += decision.intervention != 0

    def episode(self, value: float) -> str:
        """Take in the return of an episode.

        Returns:
            Why the policy is to be rolled back, in one line; empty while it is not.
        """
        if self.over:
            return ""
        self.returns.append(value)
        if not self.over:
            return ""
        count, changed = len(self.returns), self._changed / max(self._ticks, 1)
        if changed > self._config.trial_interventions:
            return f"the guard changed {100 * changed:.0f} % of the commands of its first {count} episodes"
        luck = chance(self._old, self.returns)
        if luck > self._config.trial_level:
            return ""
        means = f"{np.mean(self.returns):.2f} on average, those of the policy before {np.mean(self._old):.2f}"
        return f"its first {count} episodes returned {means}; chance alone does that in {100 * luck:.1f} % of cases"
