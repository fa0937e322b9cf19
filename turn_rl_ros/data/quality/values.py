"""Checks of single values: are they numbers, is the reward the task's, does one row lead to the next."""

import numpy as np

from turn_rl_ros.core.task import Task, make_task
from turn_rl_ros.core.task.recorded import Recorded
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.chunks import by_chunks
from turn_rl_ros.data.quality.finding import Check, Marks, NotApplicable, Rows, Severity

REWARD_TOLERANCE = 1e-3
CHAIN_TOLERANCE = 1e-3
"""Relative and absolute difference up to which the next observation is the next row's observation."""


def finite(data: Dataset) -> Rows:
    """Rows in which all that a learner reads is a number, (n,)."""
    read = (data.observations, data.actions.reshape(len(data), -1), data.rewards[:, None], data.next_observations)
    return np.asarray(np.stack([np.isfinite(part).all(axis=1) for part in read]).all(axis=0))


def follows(data: Dataset) -> Rows:
    """Rows whose successor continues the same episode, (n,); the last row of all has none."""
    same = (data.episode[1:] == data.episode[:-1]) & (data.step[1:] == data.step[:-1] + 1)
    return np.r_[same & ~(data.terminals | data.timeouts)[:-1], False]


def has_reward(task: Task) -> bool:
    """Whether the task knows a formula for its reward; recordings from elsewhere do not."""
    return not isinstance(task, Recorded)


def not_finite(data: Dataset) -> Marks:
    """Rows with a NaN or an infinity in what a learner reads."""
    return Marks(~finite(data))


def state_not_finite(data: Dataset) -> Marks:
    """Rows with a NaN or an infinity in joint state or goal."""
    parts = (data.joint_position, data.joint_velocity, data.next_joint_position, data.next_joint_velocity, data.goal)
    return Marks(np.asarray(~np.stack([np.isfinite(part).all(axis=1) for part in parts]).all(axis=0)))


def wrong_reward(data: Dataset) -> Marks:
    """Rows whose reward is not what the task's formula gives for the state they ended in."""
    task = make_task(data.spec)
    if not has_reward(task):
        raise NotApplicable(f"the task {data.spec.task!r} has no reward formula")
    off = np.abs(by_chunks(task.reward, data.next_joint_position, data.goal) - data.rewards)
    rows = off > REWARD_TOLERANCE
    return Marks(rows, f"off by up to {off[rows].max():.3g}" if rows.any() else "")


def constant_reward(data: Dataset) -> Marks:
    """Every row, when all rewards are the same."""
    same = len(data) > 1 and bool(np.ptp(data.rewards) == 0)
    return Marks(np.full(len(data), same), f"every reward is {data.rewards[0]:g}")


def broken_chain(data: Dataset) -> Marks:
    """Rows whose next observation is not the observation of the row that continues the episode."""
    rows = np.flatnonzero(follows(data))
    told, came = data.next_observations[rows], data.observations[rows + 1]
    off = ~np.isclose(told, came, rtol=CHAIN_TOLERANCE, atol=CHAIN_TOLERANCE, equal_nan=True).all(axis=1)
    marked = np.zeros(len(data), dtype=bool)
    marked[rows[off]] = True
    return Marks(marked)


CHECKS = (
    Check(
        "values that are not finite",
        Severity.ERROR,
        "one NaN makes every weight NaN",
        "leave these rows out; look at the driver",
        not_finite,
    ),
    Check(
        "joint states that are not finite",
        Severity.WARNING,
        "relabelling and every check of motion read them",
        "leave these rows out; look at the driver",
        state_not_finite,
    ),
    Check(
        "rewards that the task does not give",
        Severity.ERROR,
        "the learner maximises something else than the task",
        "relabel, or find out which version recorded them",
        wrong_reward,
    ),
    Check(
        "a reward that never changes",
        Severity.ERROR,
        "all actions look equally good, so there is nothing to learn",
        "record longer, start nearer to the goal, or show the task once by hand",
        constant_reward,
    ),
    Check(
        "rows that do not lead to the next one",
        Severity.WARNING,
        "a next state that did not happen teaches dynamics that the robot does not have",
        "end the episode there, or look for an import that lost an episode's end",
        broken_chain,
    ),
)
