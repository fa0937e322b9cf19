"""Checks of the joints: do they move as told, within their limits and without jumps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.finding import Check, Marks, NotApplicable, Rows, Severity, session_bounds
from turn_rl_ros.data.quality.values import follows

Array = NDArray[np.float64]

WRAP = 0.5
"""Movement in one period, beyond what the speed explains, that no joint makes, in rad or m."""
SPEED_MARGIN = 1.05
"""A measured speed up to this share of the limit is noise, not a violation."""
OUTLIER = 10.0
"""An acceleration or jerk beyond this multiple of the joint's 99 % quantile is an outlier."""
STUCK_ROWS = 25
TOLD = 0.05
"""Share of a joint's speed limit from which on a velocity command asks for motion."""
DEAD_TOLD = 0.05
"""Commanded travel, in rad or m, from which on a joint must have moved; a hundredth of it is enough."""


@dataclass(frozen=True)
class JointMotion:
    """One joint over the whole dataset: median, 99 % quantile and maximum of each magnitude. SI units."""

    joint: str
    limit: float
    speed: tuple[float, float, float]
    acceleration: tuple[float, float, float]
    jerk: tuple[float, float, float]


def joint_motion(data: Dataset) -> list[JointMotion]:
    """Speed, acceleration and jerk of each joint; empty for a task without joints."""
    acceleration, jerk = derivatives(data)
    return [
        JointMotion(name, limit, *(_quantiles(part[:, index]) for part in (data.joint_velocity, acceleration, jerk)))
        for index, (name, limit) in enumerate(zip(data.spec.joint_names, data.spec.joint_velocity, strict=True))
    ]


def derivatives(data: Dataset) -> tuple[Array, Array]:
    """Acceleration and jerk of each row from differences of velocity, (n, joints) each, in rad or m per s^2 and s^3.

    The jerk of a row looks at the acceleration of the next one; NaN where no row continues the episode.
    """
    acceleration = (data.next_joint_velocity - data.joint_velocity) / data.spec.period_s
    jerk = np.full_like(acceleration, np.nan)
    rows = np.flatnonzero(follows(data))
    jerk[rows] = (acceleration[rows + 1] - acceleration[rows]) / data.spec.period_s
    return acceleration, jerk


def too_fast(data: Dataset) -> Marks:
    """Rows in which a joint was faster than the task's limit."""
    _need_joints(data)
    speed = np.maximum(np.abs(data.joint_velocity), np.abs(data.next_joint_velocity))
    over = speed > SPEED_MARGIN * np.asarray(data.spec.joint_velocity)
    return _by_joint(data, over, speed)


def violent(data: Dataset) -> Marks:
    """Rows with an acceleration or a jerk far beyond what the joint does otherwise."""
    _need_joints(data)
    over = np.zeros(data.joint_velocity.shape, dtype=bool)
    for part in map(np.abs, derivatives(data)):
        if np.isfinite(part).any(axis=0).all():
            usual = np.nanquantile(part, 0.99, axis=0)
            over |= (part > OUTLIER * usual) & (usual > 0)
    return _by_joint(data, over, np.abs(derivatives(data)[0]))


def wraps(data: Dataset) -> Marks:
    """Rows in which a joint moved much further than its speed explains: an encoder that wrapped or lost its zero."""
    _need_joints(data)
    moved = np.abs(data.next_joint_position - data.joint_position)
    speed = np.maximum(np.abs(data.joint_velocity), np.abs(data.next_joint_velocity))
    return _by_joint(data, moved > 4 * speed * data.spec.period_s + WRAP, moved)


def dead(data: Dataset) -> Marks:
    """All rows of the sessions in which a joint never moved although it was told to."""
    _need_joints(data)
    rows, names = np.zeros(len(data), dtype=bool), []
    for (start, stop), still in zip(session_bounds(data), _dead_joints(data), strict=True):
        rows[start:stop] = still.any()
        names += [name for name, one in zip(data.spec.joint_names, still, strict=True) if one and name not in names]
    return Marks(rows, ", ".join(names))


def stuck(data: Dataset) -> Marks:
    """Rows of runs in which a joint was told to move and its position stayed the same to the last bit."""
    _need_joints(data)
    if data.spec.command_interface != "velocity":
        raise NotApplicable("under position control a joint that stays may have arrived")
    still = (np.abs(data.command) > TOLD * np.asarray(data.spec.joint_velocity)) & (
        data.next_joint_position == data.joint_position
    )
    for (start, stop), never in zip(session_bounds(data), _dead_joints(data), strict=True):
        still[start:stop] &= ~never
    over = np.stack([_long_runs(column) for column in still.T], axis=1)
    return _by_joint(data, over, np.abs(data.command))


def _dead_joints(data: Dataset) -> Rows:
    """Which joint never moved although told to, (sessions, joints)."""
    if data.spec.command_interface == "velocity":
        asked = np.abs(data.command) * data.spec.period_s
    else:
        asked = np.abs(data.command - data.joint_position)
    asked = np.nan_to_num(asked)
    found = []
    for start, stop in session_bounds(data):
        if start == stop:
            found.append(np.zeros(asked.shape[1], dtype=bool))
            continue
        told, often = asked[start:stop].sum(axis=0), (asked[start:stop] > 0).sum(axis=0) >= STUCK_ROWS
        moved = np.ptp(np.concatenate([data.joint_position[start:stop], data.next_joint_position[start:stop]]), axis=0)
        found.append(often & (told > DEAD_TOLD) & (moved < 0.01 * DEAD_TOLD))
    return np.array(found)


def _need_joints(data: Dataset) -> None:
    if not data.spec.joint_names:
        raise NotApplicable("the dataset records no joints")


def _by_joint(data: Dataset, over: Rows, size: Array) -> Marks:
    """Rows with any joint marked in `over` (n, joints); names each joint with its largest `size`."""
    names = [
        f"{name} up to {np.nanmax(size[over[:, index], index]):.3g}"
        for index, name in enumerate(data.spec.joint_names)
        if over[:, index].any()
    ]
    return Marks(np.asarray(over.any(axis=1)), ", ".join(names))


def _quantiles(values: Array) -> tuple[float, float, float]:
    sound = np.abs(values[np.isfinite(values)])
    if not len(sound):
        return (np.nan,) * 3
    middle, high = np.quantile(sound, (0.5, 0.99)).tolist()
    return middle, high, float(sound.max())


def _long_runs(flags: Rows) -> Rows:
    """Those True entries that stand in a run of at least `STUCK_ROWS`."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    long = np.zeros(len(flags), dtype=bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        long[start:stop] = stop - start >= STUCK_ROWS
    return long


CHECKS = (
    Check(
        "joints faster than their limit",
        Severity.WARNING,
        "the learner trusts states that the guard will not let it reach",
        "check the limits in the task and the velocity signal of the driver",
        too_fast,
    ),
    Check(
        "outliers of acceleration or jerk",
        Severity.WARNING,
        "a spike of the sensor looks like something that the action did",
        "filter the velocity, or look for a knock or a loose connector at that moment",
        violent,
    ),
    Check(
        "encoder wraps",
        Severity.ERROR,
        "a jump of the sensor looks like something the arm can do",
        "unwrap or leave out; check the encoder",
        wraps,
    ),
    Check(
        "dead joints",
        Severity.ERROR,
        "in the whole session one of the actions did nothing, in others it did",
        "leave the session out; look for a brake, a loose connector or a wrong joint name",
        dead,
    ),
    Check(
        "joints that do not answer",
        Severity.WARNING,
        "actions look as if they did nothing",
        "look for brakes, limits or a stale driver",
        stuck,
    ),
)
