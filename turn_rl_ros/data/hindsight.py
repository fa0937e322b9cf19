"""Episodes with goals that they did reach (Hindsight Experience Replay, Andrychowicz et al. 2017), as trajectories.

HER draws a goal for each transition. A stored episode has one goal, so that returns and sequences over it mean
something; here an episode is cut where it reached its new goal, and each of its rows aims at what came later, as HER's
strategies `final` and `future` have it.
"""

from dataclasses import replace

import numpy as np

from turn_rl_ros.core.task import Task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.select import column_names


def shows_goal(data: Dataset, task: Task) -> bool:
    """Whether another goal changes an observation of this task."""
    seen = data.observations[:1]
    return bool((task.with_goal(seen, data.goal[:1] + 1.0) != task.with_goal(seen, data.goal[:1])).any())


def copies(data: Dataset, task: Task, future: int, *, keep: bool = False, seed: int = 0) -> Dataset:
    """Each episode with goals that it reached, in place of its own; observations and rewards are still the old ones.

    Args:
        data: the episodes.
        task: what says which goal a state fulfils.
        future: copies of each episode, each cut at a step drawn at random, with the goal reached there; 0: one whole
            copy, with the goal reached in the end.
        keep: put each episode with its own goal before its copies.
        seed: of the steps drawn.

    Raises:
        DatasetError: the observations do not show the goal, so that one observation would mean many things.
    """
    if not shows_goal(data, task):
        raise DatasetError(
            f"observations of this {data.spec.task} data do not show the goal, or its rewards were given from outside: "
            "a goal in hindsight would contradict them"
        )
    rng, pieces = np.random.default_rng(seed), []
    for start, stop in zip(*(bound.tolist() for bound in data.episode_bounds()), strict=True):
        last = rng.integers(start, stop, size=future).tolist() if future else [stop - 1]
        pieces += [(start, stop - 1, False)] * keep + [(start, one, True) for one in last]
    lengths = np.array([last - start + 1 for start, last, _ in pieces])
    rows = np.concatenate([np.arange(start, last + 1) for start, last, _ in pieces])
    columns = {name: getattr(data, name)[rows] for name in column_names(data)}
    last_rows = np.repeat([last for _, last, _ in pieces], lengths)
    relabelled = np.repeat([new for _, _, new in pieces], lengths)
    columns["goal"][relabelled] = task.achieved_goal(data.next_joint_position[last_rows[relabelled]])
    columns["episode"] = np.repeat(np.arange(len(pieces)), lengths)
    columns["timeouts"] |= (rows == last_rows) & ~columns["terminals"]
    return replace(data, **columns)
