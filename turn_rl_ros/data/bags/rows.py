"""Pairs to rows of a session, thousands at a time, by the task's own formulas."""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import Pair
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.mapping import Goals
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.relabel import Change, relabel
from turn_rl_ros.data.schema import row_dtype

TOLD = ("stamp_ns", "episode", "step", "behaviour", "intervention", "command", "goal")
"""Columns that decisions tell."""


class RowMaker:
    """Rows as `Assembler` makes them one by one; give it whole episodes where goals are what the episodes reached."""

    def __init__(self, spec: TaskSpec, goals: Goals) -> None:
        """Raise BagError where a goal that was reached would contradict observations that do not show it."""
        self._spec, self._goals, self._task = spec, goals, make_task(spec)
        self._dtype, self._episodes = row_dtype(spec), 0
        home = self._task.home
        goal = self._task.achieved_goal(home)
        seen = self._task.observe(home, np.zeros_like(home), goal)
        if goals.source != "topic" and np.array_equal(self._task.with_goal(seen, goal + 1.0), seen):
            raise BagError(f"observations of a {spec.task} task do not show the goal: it must come from a topic")

    def __call__(self, pairs: Sequence[Pair]) -> NDArray:
        """Records (n,) of `schema.row_dtype`."""
        rows, task = np.zeros(len(pairs), self._dtype), self._task
        if not pairs:
            return rows
        decisions, states, afters, next_ns, goes_on = zip(*pairs, strict=True)
        position, velocity = (np.array(values) for values in zip(*states, strict=True))
        next_position, next_velocity = (np.array(values) for values in zip(*afters, strict=True))
        for name, values in zip(TOLD, zip(*map(attrgetter(*TOLD), decisions), strict=True), strict=True):
            rows[name] = values
        achieved = task.achieved_goal(next_position)
        if self._goals.source != "topic":
            last = np.flatnonzero(np.diff(rows["episode"], append=-1))
            rows["goal"] = achieved[last[np.searchsorted(last, np.arange(len(rows)))]]
        goal = rows["goal"]
        rows["observations"] = task.observe(position, velocity, goal)
        rows["next_observations"] = task.observe(next_position, next_velocity, goal)
        rows["actions"] = [task.executed_action(one.command, at[0]) for one, at in zip(decisions, states, strict=True)]
        rows["rewards"] = task.reward_at(achieved, goal)
        rows["terminals"] = task.terminated(next_position, goal)
        rows["timeouts"] = ~np.array(goes_on) & ~rows["terminals"]
        rows["joint_position"], rows["joint_velocity"] = position, velocity
        rows["next_joint_position"], rows["next_joint_velocity"] = next_position, next_velocity
        rows["next_stamp_ns"] = next_ns
        return self._copies(rows) if self._goals.source == "future" else rows

    def _copies(self, rows: NDArray) -> NDArray:
        """Copies of each episode with goals that it reached on the way (Hindsight Experience Replay, `future`)."""
        data = relabel(Dataset.from_rows(rows, self._spec), Change(hindsight="future", copies=self._goals.copies))
        made = data.to_rows()
        made["episode"] += self._episodes
        self._episodes = int(made["episode"][-1]) + 1
        return made
