"""How much of what the task may ask for the data shows.

Occupied cells of the few dimensions that matter, since a grid over all of them would be empty; and how far a
state-action pair is from the nearest one of another episode.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.task import make_task
from turn_rl_ros.core.task.grid import MOVES, Grid
from turn_rl_ros.core.task.reach import Reach
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.chunks import by_chunks
from turn_rl_ros.data.quality.nearest import SCALE_ROWS, Scale, nearest, sample

Array = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9, 0.99)
QUERIES, REFERENCE = 2_000, 20_000
SUPPORTED = 0.5
"""Distance to the nearest pair of another episode, in standard deviations, up to which a row has support."""
NEAR_GOAL = 2
"""Success radii around the goal within which every direction of approach should have been seen."""
ENOUGH = 0.8
"""Share of a goal box or of a grid."""
ENOUGH_COMPONENTS = 0.25
"""Share of the box around the data, whose corners no robot may be able to reach."""
BINS = 10
VARIANCE = 0.95
AXES = 3


@dataclass(frozen=True)
class Cells:
    """Occupied cells of one small space. `points` are the rows in it, (n, axes), in `units`, for a plot."""

    name: str
    occupied: int
    reference: int
    against: str
    """What the reference counts."""
    enough: float
    """Share that counts as full coverage: what a policy passes through is not all."""
    axes: tuple[str, ...]
    edges: tuple[float, ...]
    low: Array
    high: Array
    points: Array

    @property
    def share(self) -> float:
        """Occupied part of the reference, 0 to 1."""
        return self.occupied / self.reference if self.reference else 0.0

    def lines(self, axis: int) -> Array:
        """Where the cells of an axis begin, and where the last one ends, rising."""
        count = int(_count(self.low, self.high, np.array(self.edges))[axis])
        return np.append(self.low[axis] + self.edges[axis] * np.arange(count), self.high[axis])


@dataclass(frozen=True)
class Coverage:
    """What the data covers. Distances are root mean squares over the elements of a standardised state-action pair."""

    cells: tuple[Cells, ...]
    distances: NDArray[np.float32]
    """(queries,) from sampled pairs to the nearest pair of another episode, rising; infinite with one episode."""
    supported: float
    """Share of rows with such a neighbour within `SUPPORTED`."""
    references: int
    """Pairs, drawn from all rows, among which the nearest was looked for."""

    def quantiles(self) -> dict[str, float]:
        """Quantiles of `distances`."""
        found = np.quantile(self.distances, QUANTILES, method="lower").tolist()
        return {f"{100 * share:.0f} %": value for share, value in zip(QUANTILES, found, strict=True)}


def coverage(data: Dataset) -> Coverage:
    """Coverage of a dataset whose values are all finite."""
    task = make_task(data.spec)
    if isinstance(task, Grid):
        cells = _grid_cells(task, data)
    elif isinstance(task, Reach):
        cells = _reach_cells(task, data)
    else:
        cells = (_component_cells(data),)
    scale = Scale.fit(data)
    asked, known = sample(len(data), QUERIES, seed=1), sample(len(data), REFERENCE)
    distances, _ = nearest(scale.pairs(data, asked), scale.pairs(data, known), data.episode[asked], data.episode[known])
    return Coverage(
        cells,
        np.sort(distances),
        float((distances <= SUPPORTED).mean()),
        len(known),
    )


def _grid_cells(task: Grid, data: Dataset) -> tuple[Cells, ...]:
    """Cells, and cells with each move, of those that can be reached from the start."""
    reachable = _reachable(task)
    here = task.cell(data.joint_position)
    seen = np.zeros((*reachable.shape, len(MOVES)), dtype=bool)
    inside = ((here >= 0) & (here < reachable.shape)).all(axis=1)
    seen[here[inside, 0], here[inside, 1], data.actions[inside]] = True
    seen &= reachable[..., None]
    low, high = np.zeros(2), np.array(reachable.shape, dtype=np.float64)
    shape = (ENOUGH, ("column", "row"), (1.0, 1.0), low, high[::-1], here[:, ::-1].astype(np.float64))
    count = int(reachable.sum())
    return (
        Cells("cells", int(seen.any(axis=2).sum()), count, "cells that can be reached from the start", *shape),
        Cells("cells and moves", int(seen.sum()), count * len(MOVES), "moves in cells that can be reached", *shape),
    )


def _reachable(task: Grid) -> NDArray[np.bool_]:
    """Free cells with a way from the start, (rows, columns)."""
    reached = np.zeros_like(task.world.free)
    reached[task.world.start] = True
    while True:
        wider = reached.copy()
        wider[1:] |= reached[:-1]
        wider[:-1] |= reached[1:]
        wider[:, 1:] |= reached[:, :-1]
        wider[:, :-1] |= reached[:, 1:]
        wider &= task.world.free
        if (wider == reached).all():
            return reached
        reached = wider


def _reach_cells(task: Reach, data: Dataset) -> tuple[Cells, ...]:
    """The end effector in the goal box, and around the goal, in cubes with the success radius as their edge."""
    details = data.spec.details
    edge = float(details["success_radius_m"])
    tip = by_chunks(task.achieved_goal, data.next_joint_position)
    around = NEAR_GOAL * edge
    low, high = np.array(details["goal_low"]), np.array(details["goal_high"])
    cube = np.full(3, around)
    return (
        boxes("end effector", tip, low, high, edge, "cubes of the goal box", ("x (m)", "y (m)", "z (m)")),
        boxes(
            "around the goal", data.goal - tip, -cube, cube, edge,
            f"cubes within {NEAR_GOAL} success radii of the goal", ("dx (m)", "dy (m)", "dz (m)"),
        ),
    )  # fmt: skip


def _component_cells(data: Dataset) -> Cells:
    """The leading principal components that explain 95 % of the observations, three at most, ten bins each."""
    scale = Scale.fit(data)
    seen = scale.states(data.observations[sample(len(data), SCALE_ROWS)]).astype(np.float64)
    if not seen.shape[1]:  # every observation is the same
        seen = np.zeros((len(seen), 1))
    _, sizes, directions = np.linalg.svd(seen.T @ seen, hermitian=True)
    explained = np.cumsum(sizes) / max(float(sizes.sum()), 1e-12)
    count = min(AXES, int(np.searchsorted(explained, VARIANCE)) + 1, len(sizes))
    states = scale.states(data.observations).astype(np.float64) if len(scale.kept) else np.zeros((len(data), 1))
    points = states @ directions[:count].T
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    share = f"{100 * explained[count - 1]:.0f} %" if count else "0 %"
    against = f"cells between the 1 % and 99 % quantiles of the data; the components explain {share} of the variance"
    names = tuple(f"component {index + 1}" for index in range(count))
    return boxes(
        "principal components",
        points,
        low,
        high,
        np.maximum((high - low) / BINS, 1e-9),
        against,
        names,
        ENOUGH_COMPONENTS,
    )


def boxes(
    name: str,
    points: Array,
    low: Array,
    high: Array,
    edge: float | Array,
    against: str,
    axes: tuple[str, ...],
    enough: float = ENOUGH,
) -> Cells:
    """Occupied boxes of size `edge` between `low` and `high` (k,) for points (n, k); points outside do not count."""
    edges = np.broadcast_to(np.asarray(edge, dtype=np.float64), low.shape)
    counts = _count(low, high, edges)
    inside = ((points >= low) & (points <= high)).all(axis=1)
    index = np.minimum(((points[inside] - low) / edges).astype(np.int64), counts - 1)
    occupied = np.unique(np.ravel_multi_index(tuple(index.T), tuple(counts))) if len(counts) else np.zeros(0)
    return Cells(
        name, len(occupied), int(counts.prod()), against, enough, axes, tuple(edges.tolist()), low, high, points
    )


def _count(low: Array, high: Array, edges: Array) -> NDArray[np.int64]:
    """Cells along each axis; the last one may be cut off."""
    return np.asarray(np.maximum(1, np.ceil((high - low) / edges - 1e-6)), np.int64)
