"""Checks of whole episodes: recorded twice, nearly the same, or on both sides of a split."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.finding import Check, Finding, Marks, NotApplicable, Rows, Severity, run_check
from turn_rl_ros.data.quality.nearest import CHUNK, Scale, nearest, sample

NEAR = 0.02
"""Largest difference of nearly the same episodes: of the start in standard deviations, of actions in half ranges."""
NEAR_STEPS = 10
"""Shorter episodes may be alike by chance."""
KEY_STEPS = 16
"""Actions of an episode, evenly spaced, that are compared first; those that agree are compared in full."""
MOST_EPISODES = 20_000
LEAK = 1e-3
"""Root-mean-square distance below which a test row is a training row with noise."""
LEAK_TEST_ROWS, LEAK_TRAIN_ROWS = 2_000, 100_000


def duplicates(data: Dataset) -> Marks:
    """Rows of episodes that repeat an earlier one value for value, stamps included."""
    starts, stops = data.episode_bounds()
    hashes = _hash(data.observations, data.actions.reshape(len(data), -1), data.stamp_ns[:, None])
    seen: set[bytes] = set()
    rows = np.zeros(len(data), dtype=bool)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        key = hashes[start:stop].tobytes()
        rows[start:stop] = key in seen
        seen.add(key)
    return Marks(rows)


def near_duplicates(data: Dataset) -> Marks:
    """Rows of episodes of the same start and the same actions as an earlier one of the same length, but for noise.

    Copies that `duplicates` finds are not marked again.
    """
    if data.spec.discrete:
        raise NotApplicable("episodes of discrete moves repeat each other by nature; copies are still found")
    starts, stops = data.episode_bounds()
    starts, stops = starts[:MOST_EPISODES], stops[:MOST_EPISODES]
    copied, rows = duplicates(data).rows, np.zeros(len(data), dtype=bool)
    scale = Scale.fit(data)
    for length in np.unique(stops - starts):
        same = starts[(stops - starts == length) & ~copied[starts]]
        if length >= NEAR_STEPS and len(same) > 1:
            for start in same[_repeats(data, scale, same, int(length))]:
                rows[start : start + length] = True
    return Marks(rows)


def leakage(train: Dataset, test: Dataset) -> list[Finding]:
    """What of `test` is also in `train`: the same episodes, the same rows, or nearly the same rows.

    Places count the rows of `test`. Nearly the same is worked out on at most 2,000 test and 100,000 training rows.
    With discrete actions only episodes are compared, as the same move in the same cell is no leak. All values must be
    finite.
    """
    rows = np.arange(len(test))
    return [one for one in (run_check(check, test, test, rows) for check in leak_checks(train)) if one]


def leak_checks(train: Dataset) -> tuple[Check, ...]:
    """Checks of a test part against `train`."""
    return (
        Check(
            "test episodes that training has seen",
            Severity.WARNING,
            "the score on the test part says nothing about new situations",
            "split by whole episodes, and remove copies first",
            lambda test: Marks(_shared_episodes(train, test)),
        ),
        Check(
            "test rows that training has seen",
            Severity.WARNING,
            "the score on the test part says nothing about new situations",
            "remove copies, or split by session",
            lambda test: Marks(_shared_rows(train, test)),
        ),
        Check(
            "test rows that are training rows with noise",
            Severity.WARNING,
            "the score on the test part is better than on new situations",
            "keep repeated or augmented episodes on one side of the split",
            lambda test: _near_rows(train, test),
        ),
    )


def _repeats(data: Dataset, scale: Scale, starts: NDArray[np.int64], length: int) -> Rows:
    """Which of the episodes, all of one length, nearly repeat the earlier one that is most like them; as `starts`."""
    steps = np.unique(np.linspace(0, length - 1, KEY_STEPS).astype(np.int64))
    moves = scale.actions(data.actions[(starts[:, None] + steps).ravel()]).reshape(len(starts), -1)
    keys = np.concatenate([scale.states(data.observations[starts]), moves], axis=1)
    order, lengths = np.arange(len(keys)), np.einsum("ij,ij->i", keys, keys)
    repeats = np.zeros(len(keys), dtype=bool)
    for first in range(0, len(keys), CHUNK):
        later = order[first : first + CHUNK]
        squares = lengths + lengths[later, None] - 2 * keys[later] @ keys.T
        squares[order >= later[:, None]] = np.inf
        earlier = squares.argmin(axis=1)
        alike = np.abs(keys[later] - keys[earlier]).max(axis=1) <= NEAR
        for one, other in zip(later[alike], earlier[alike], strict=True):
            ours, theirs = (data.actions[at : at + length] for at in (starts[one], starts[other]))
            repeats[one] = one > other and np.abs(scale.actions(ours) - scale.actions(theirs)).max() <= NEAR
    return repeats


def _shared_episodes(train: Dataset, test: Dataset) -> Rows:
    """Rows of test episodes that are in the training part by number, or by value."""
    shared = np.isin(test.episode, train.episode)
    known = {train.observations[a:b].tobytes() + train.actions[a:b].tobytes() for a, b in _bounds(train)}
    for start, stop in _bounds(test):
        shared[start:stop] |= test.observations[start:stop].tobytes() + test.actions[start:stop].tobytes() in known
    return shared


def _shared_rows(train: Dataset, test: Dataset) -> Rows:
    """Test rows whose observation, action and next observation are also a training row, outside shared episodes."""
    if test.spec.discrete:
        return np.zeros(len(test), dtype=bool)
    ours, theirs = (_hash(part.observations, part.actions, part.next_observations) for part in (test, train))
    return np.isin(ours, theirs) & ~_shared_episodes(train, test)


def _near_rows(train: Dataset, test: Dataset) -> Marks:
    rows = np.zeros(len(test), dtype=bool)
    if test.spec.discrete:
        return Marks(rows)
    scale = Scale.fit(train)
    asked = sample(len(test), LEAK_TEST_ROWS)
    distances, _ = nearest(
        scale.pairs(test, asked), scale.pairs(train, sample(len(train), LEAK_TRAIN_ROWS)).astype(np.float32)
    )
    rows[asked[distances < LEAK]] = True
    rows &= ~_shared_rows(train, test) & ~_shared_episodes(train, test)
    return Marks(rows, f"{int(rows.sum())} of {len(asked)} test rows looked at")


def _bounds(data: Dataset) -> list[tuple[int, int]]:
    starts, stops = data.episode_bounds()
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _hash(*columns: NDArray) -> NDArray[np.uint64]:
    """64 bits for each row of the columns (n, k) together, (n,): a sum of its words times odd random numbers."""
    total = np.zeros(len(columns[0]), np.uint64)
    rng = np.random.default_rng(1)
    for column in columns:
        words = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1).view(np.uint32)
        for word in words.T:
            mixed = word.astype(np.uint64) + rng.integers(1 << 63, dtype=np.uint64)
            mixed ^= mixed >> np.uint64(31)
            total += mixed * (rng.integers(1 << 63, dtype=np.uint64) | np.uint64(1))
    return total


CHECKS = (
    Check(
        "episodes recorded twice",
        Severity.ERROR,
        "they count double, and leak from training to test",
        "remove the copies",
        duplicates,
    ),
    Check(
        "episodes that nearly repeat another",
        Severity.WARNING,
        "the data is smaller than its row count, and a split by episodes leaks",
        "vary the start or the goal, or keep repetitions on one side of a split",
        near_duplicates,
    ),
)
