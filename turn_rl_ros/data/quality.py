"""What is wrong with recorded data, where, why that hurts offline learning, and what to do about it.

Each check is a function of the whole dataset that gives the rows in question; `inspect` turns them into findings.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Box
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset

Rows = NDArray[np.bool_]

SATURATED = 0.99
"""Share of an action limit beyond which an action counts as saturated."""
SATURATED_SHARE = 0.5
STUCK_ROWS = 25
GAP_PERIODS = 1.5
WRAP = 0.5
"""Movement in one period, beyond what the speed explains, that no joint makes, in rad or m."""
REWARD_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know before training on the data."""

    what: str
    where: str
    why: str
    advice: str
    rows: int


@dataclass(frozen=True)
class SessionFigures:
    """One session in `turn-rl data info`; undiscounted return and success over episodes that ran to their end."""

    name: str
    turn: int
    rows: int
    episodes: int
    seconds: float
    mean_return: float
    success_rate: float
    stop_reason: str
    dropped: int


def figures(data: Dataset) -> list[SessionFigures]:
    """Size, return and success of each session; NaN where a session has no whole episode."""
    task, (starts, stops) = make_task(data.spec), data.episode_bounds()
    last = stops - 1
    returns = np.add.reduceat(data.rewards.astype(np.float64), starts)
    success = task.success(data.next_joint_position[last], data.goal[last])
    whole = data.terminals[last] | (data.step[last] == data.spec.episode_steps - 1)
    lines = []
    for index, info in enumerate(data.sessions):
        of = whole & (data.session[starts] == index)
        lines.append(
            SessionFigures(
                info.path.name,
                int(info.facts["turn"]),
                info.rows,
                int((data.session[starts] == index).sum()),
                info.rows * data.spec.period_s,
                float(returns[of].mean()) if of.any() else np.nan,
                float(success[of].mean()) if of.any() else np.nan,
                str(info.facts["stop_reason"]),
                int(sum(info.facts["drops"].values())),
            )
        )
    return lines


def not_finite(data: Dataset) -> Rows:
    """Rows with a NaN or an infinity in what a learner reads."""
    read = (data.observations, data.actions.reshape(len(data), -1), data.rewards[:, None], data.next_observations)
    return np.asarray(~np.stack([np.isfinite(part).all(axis=1) for part in read]).all(axis=0))


def wrong_reward(data: Dataset) -> Rows:
    """Rows whose reward is not what the task's formula gives for the state they ended in."""
    expected = make_task(data.spec).reward(data.next_joint_position, data.goal)
    return np.abs(expected - data.rewards) > REWARD_TOLERANCE


def gaps(data: Dataset) -> Rows:
    """Rows whose next state came later than 1.5 control periods, or before the state itself."""
    taken = data.next_stamp_ns - data.stamp_ns
    return (taken > GAP_PERIODS * data.spec.period_ns) | (taken <= 0)


def wraps(data: Dataset) -> Rows:
    """Rows in which a joint moved much further than its speed explains: an encoder that wrapped or lost its zero."""
    moved = np.abs(data.next_joint_position - data.joint_position)
    speed = np.maximum(np.abs(data.joint_velocity), np.abs(data.next_joint_velocity))
    return np.asarray((moved > 4 * speed * data.spec.period_s + WRAP).any(axis=1))


def stuck(data: Dataset) -> Rows:
    """Rows of runs in which a joint was told to move and its position stayed the same to the last bit."""
    if data.spec.command_interface != "velocity":
        return np.zeros(len(data), dtype=bool)
    told = np.abs(data.command) > 0.05 * np.asarray(data.spec.joint_velocity)
    still = told & (data.next_joint_position == data.joint_position)
    return np.asarray(np.stack([_runs(column) for column in still.T]).any(axis=0))


def saturated(data: Dataset) -> Rows:
    """Rows with an action at its limit, when that is more than half of all rows of some action."""
    if not isinstance(data.spec.action, Box):
        return np.zeros(len(data), dtype=bool)
    low, high = np.asarray(data.spec.action.low), np.asarray(data.spec.action.high)
    centre, half = (low + high) / 2, (high - low) / 2
    full = np.abs(data.actions - centre) >= SATURATED * half
    return np.asarray(full[:, full.mean(axis=0) > SATURATED_SHARE].any(axis=1))


def duplicates(data: Dataset) -> Rows:
    """Rows of episodes that repeat an earlier one value for value."""
    seen: set[bytes] = set()
    repeated = np.zeros(len(data), dtype=bool)
    for start, stop in zip(*data.episode_bounds(), strict=True):
        key = data.observations[start:stop].tobytes() + data.actions[start:stop].tobytes()
        repeated[start:stop] = key in seen
        seen.add(key)
    return repeated


CHECKS: dict[str, tuple[Callable[[Dataset], Rows], str, str]] = {
    "values that are not finite": (
        not_finite,
        "one NaN makes every weight NaN",
        "leave these rows out; look at the driver",
    ),
    "rewards that the task does not give": (
        wrong_reward,
        "the learner maximises something else than the task",
        "relabel, or find out which version recorded them",
    ),
    "gaps in time": (
        gaps,
        "the next state shows more than one action's work",
        "look for load or lost messages on the robot computer",
    ),
    "encoder wraps": (
        wraps,
        "a jump of the sensor looks like something the arm can do",
        "unwrap or leave out; check the encoder",
    ),
    "joints that do not answer": (
        stuck,
        "actions look as if they did nothing",
        "look for brakes, limits or a stale driver",
    ),
    "actions at their limit": (
        saturated,
        "the data says little about any other action",
        "explore with smaller or smoother noise",
    ),
    "episodes recorded twice": (duplicates, "they count double, and leak from training to test", "remove the copies"),
}
"""Name -> (check, why it hurts, what to do)."""


def inspect(data: Dataset) -> list[Finding]:
    """Every check that found something, with the session and rows of its first find."""
    found = []
    for what, (check, why, advice) in CHECKS.items():
        rows = np.flatnonzero(check(data))
        if len(rows):
            found.append(Finding(what, _where(data, int(rows[0])), why, advice, len(rows)))
    return found


def _where(data: Dataset, row: int) -> str:
    session = int(data.session[row])
    name = data.sessions[session].path.name if data.sessions else "memory"
    inside = row - int(np.searchsorted(data.session, session))
    return f"first in {name}, episode {data.episode[row]}, step {data.step[row]}, row {inside}"


def _runs(flags: Rows) -> Rows:
    """Those True entries that stand in a run of at least `STUCK_ROWS`."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    long = np.zeros(len(flags), dtype=bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        long[start:stop] = stop - start >= STUCK_ROWS
    return long
