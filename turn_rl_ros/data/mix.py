"""How much of each batch comes from which session: recent against old, robot against simulation."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.sealed import SessionInfo
from turn_rl_ros.data.select import origin

Weigh = Callable[[SessionInfo], float]
"""Weight of a session beside the others."""


def weights(data: Dataset, *weigh: Weigh) -> NDArray[np.float64]:
    """Probability of each row, (n,), such that a session's share of a batch is in proportion to its weight.

    The weight of a session is the product of what each `weigh` says, whatever the number of its rows.

    Raises:
        DatasetError: weights that are negative, not finite or all zero, or rows that were never on disk.
    """
    if not data.sessions:
        raise DatasetError("these transitions have no sessions to weigh")
    each = np.array([math.prod(one(info) for one in weigh) for info in data.sessions], dtype=np.float64)
    counts = np.bincount(data.session, minlength=len(each))
    each = np.where(counts > 0, each, 0.0)
    if not np.isfinite(each).all() or (each < 0).any() or not each.sum():
        raise DatasetError("session weights must be finite, not negative and not all zero")
    share = each / each.sum() / np.maximum(counts, 1)
    return share[data.session]


def by_rows(data: Dataset) -> Weigh:
    """Each session as much as it has rows: every row alike, until another weight comes on top."""
    counts = np.bincount(data.session, minlength=len(data.sessions))
    rows = {info.path: float(count) for info, count in zip(data.sessions, counts, strict=True)}
    return lambda info: rows[info.path]


def recent(data: Dataset, half_life: float) -> Weigh:
    """Half the weight for each `half_life` turns that a session is older than the newest. Raises DatasetError."""
    if not half_life > 0:
        raise DatasetError(f"the half-life must be more than 0 turns, not {half_life}")
    newest = max(info.facts["turn"] for info in data.sessions)
    return lambda info: 0.5 ** ((newest - info.facts["turn"]) / half_life)


def by_origin(*, robot: float, simulation: float) -> Weigh:
    """One weight for sessions of the robot and one for simulated ones; imported sessions weigh 1."""
    table = {"robot": robot, "simulation": simulation}
    return lambda info: table.get(origin(info), 1.0)
