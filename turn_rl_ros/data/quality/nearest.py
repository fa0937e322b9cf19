"""Distances between state-action pairs, on samples of bounded size, so that a million rows take seconds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Box, Discrete
from turn_rl_ros.data.dataset import Dataset

Array = NDArray[np.float32]

CHUNK = 256
"""Queries compared at a time: 256 x 20,000 distances are 20 MB."""
SCALE_ROWS = 100_000


@dataclass(frozen=True)
class Scale:
    """Brings observations and actions to comparable size: standard deviations, and halves of the action range.

    A distance between two rows is the root mean square over all elements; 1 is as far apart as two values of an
    element usually are. Elements that never change are left out. Discrete actions differ by 1 in one element or not.
    """

    middle: Array
    spread: Array
    kept: NDArray[np.int64]
    action: Box | Discrete

    @classmethod
    def fit(cls, data: Dataset) -> "Scale":
        """The scale of a dataset whose values are all finite."""
        seen = data.observations[sample(len(data), SCALE_ROWS)].astype(np.float64)
        spread = seen.std(axis=0)
        kept = np.flatnonzero(spread > 1e-9 * (1 + np.abs(seen).max(axis=0)))
        return cls(seen.mean(axis=0)[kept].astype(np.float32), spread[kept].astype(np.float32), kept, data.spec.action)

    def states(self, observations: Array) -> Array:
        """Standardised observations, (n, kept)."""
        return np.asarray((observations[:, self.kept] - self.middle) / self.spread, np.float32)

    def actions(self, actions: NDArray) -> Array:
        """Actions from -1 to 1, or one-hot over the square root of 2, (n, action.size)."""
        if isinstance(self.action, Discrete):
            return np.asarray(np.eye(self.action.size)[actions] / np.sqrt(2), np.float32)
        low, high = np.asarray(self.action.low, np.float32), np.asarray(self.action.high, np.float32)
        half = np.where(high > low, (high - low) / 2, np.float32(1))
        return np.asarray((actions - (low + high) / 2) / half, np.float32)

    def pairs(self, data: Dataset, rows: NDArray[np.int64]) -> Array:
        """State-action pairs of some rows, (n, d), whose Euclidean distance is the root mean square."""
        pair = np.concatenate([self.states(data.observations[rows]), self.actions(data.actions[rows])], axis=1)
        return np.asarray(pair / np.sqrt(pair.shape[1]), np.float32)


def sample(count: int, at_most: int, seed: int = 0) -> NDArray[np.int64]:
    """Indices of `at_most` of `count` rows, drawn without repetition, in rising order."""
    if count <= at_most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, at_most, replace=False))


def nearest(
    queries: Array, reference: Array, query_group: NDArray | None = None, reference_group: NDArray | None = None
) -> tuple[Array, NDArray[np.int64]]:
    """Euclidean distance to, and index of, the nearest row of `reference` (m, d) for each of `queries` (n, d).

    Rows of the same group do not count; the distance is infinite where no other group is left.
    """
    distances, found = np.empty(len(queries), np.float32), np.empty(len(queries), np.int64)
    lengths = np.einsum("ij,ij->i", reference, reference)
    for start in range(0, len(queries), CHUNK):
        part = queries[start : start + CHUNK]
        squares = lengths - 2 * part @ reference.T
        if query_group is not None and reference_group is not None:
            squares[query_group[start : start + CHUNK, None] == reference_group] = np.inf
        at = squares.argmin(axis=1)
        found[start : start + CHUNK] = at
        # Worked out again from the difference: the quick form cancels where two rows are nearly the same.
        exact = np.linalg.norm(part - reference[at], axis=1)
        distances[start : start + CHUNK] = np.where(np.isinf(squares[np.arange(len(at)), at]), np.inf, exact)
    return distances, found
