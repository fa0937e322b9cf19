"""Parts of a dataset: by session, by episode, split for training and test, or drawn with weights."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.sealed import SessionInfo


def take(data: Dataset, rows: NDArray) -> Dataset:
    """The rows that `rows` names ((n,) bool, or indices in rising order), as a dataset of the same sessions.

    Raises DatasetError when nothing is left.
    """
    columns = {
        field.name: getattr(data, field.name)[rows]
        for field in fields(data)
        if isinstance(getattr(data, field.name), np.ndarray)
    }
    if not len(columns["rewards"]):
        raise DatasetError("no transition fits this choice")
    return replace(data, **columns)


def episodes(data: Dataset) -> list[Dataset]:
    """Every episode as a dataset of its own; slices of the same memory, so nothing is copied."""
    starts, stops = data.episode_bounds()
    names = [field.name for field in fields(data) if isinstance(getattr(data, field.name), np.ndarray)]
    return [
        replace(data, **{name: getattr(data, name)[start:stop] for name in names})
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def where_session(data: Dataset, keep: Callable[[SessionInfo], bool]) -> Dataset:
    """Rows of the sessions for which `keep` says yes, such as `lambda s: s.facts["turn"] >= 2`. Raises DatasetError."""
    wanted = np.array([keep(info) for info in data.sessions], dtype=bool)
    return take(data, wanted[data.session])


def split(data: Dataset, test_share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training and test part, by whole episodes, so that no test row has a neighbour in training.

    Which part an episode falls into depends on the seed and the episode's number alone: a session that is added later
    moves no earlier episode. Raises DatasetError when one of the parts is empty.
    """
    starts, stops = data.episode_bounds()
    draws = np.array([np.random.default_rng((seed, int(number))).random() for number in data.episode[starts]])
    test = np.repeat(draws < test_share, stops - starts)
    return take(data, ~test), take(data, test)


def weights(data: Dataset, weigh: Callable[[SessionInfo], float]) -> NDArray[np.float64]:
    """Probability of each row, (n,), so that a session's share of a batch is in proportion to its weight.

    A session's weight does not depend on how many rows it has. Raises DatasetError for weights that are negative, not
    finite or all zero.
    """
    each = np.array([weigh(info) for info in data.sessions], dtype=np.float64)
    counts = np.bincount(data.session, minlength=len(each))
    each = np.where(counts > 0, each, 0.0)
    if not np.isfinite(each).all() or (each < 0).any() or not each.sum():
        raise DatasetError("session weights must be finite, not negative and not all zero")
    share = each / each.sum() / np.maximum(counts, 1)
    return share[data.session]
