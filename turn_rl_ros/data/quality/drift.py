"""How sessions differ. A new policy changes what is seen and done; the same robot must not change what follows from it.

Observations and actions: the two-sample Kolmogorov-Smirnov statistic of a session against all others, an element at a
time. Dynamics: a linear model of one step is fitted to each session; the share of a session's motion that its own
model explains and the models of most others do not is what changed (the idea of Chow's test, Econometrica 1960, with
an effect size in place of a p-value, since rows of one episode are not independent).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Discrete
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.finding import Check, Marks, NotApplicable, Rows, Severity, session_bounds
from turn_rl_ros.data.quality.nearest import sample

Array = NDArray[np.float64]

KS_ROWS = 1_000
KS_LIMIT = 0.5
"""Two samples of which less than half could be drawn from a common distribution."""
MOST_OTHERS = 20
"""Sessions whose models are tried on a session."""
LOST_LIMIT = 0.1
"""Share of a session's motion that only its own model explains, from which on the dynamics changed."""
ROWS_PER_INPUT = 5
"""A session with fewer rows for each input of the model has no model of its own."""
OTHER_DYNAMICS = "sessions with other dynamics"
STILL = 0.01
"""A joint whose velocity changes less than this share of the liveliest joint's is not judged."""
RIDGE = 1e-6
CHUNK = 65_536


@dataclass(frozen=True)
class Drift:
    """Each session against all others; rows are sessions. NaN where a session is too short to tell."""

    observations: Array
    """(sessions, observation.size) Kolmogorov-Smirnov statistics, 0 to 1."""
    actions: Array
    """(sessions, action.size), of shares where actions are discrete."""
    dynamics: Array
    """(sessions, outputs) share of the mean square of one step's change that most other sessions' models miss."""
    outputs: tuple[str, ...]


def drift(data: Dataset) -> Drift:
    """Drift between the sessions of a dataset whose values are all finite. Raises NotApplicable for one session."""
    bounds = session_bounds(data)
    if sum(stop > start for start, stop in bounds) < 2:
        raise NotApplicable("drift needs two sessions")
    actions = _columns(data, data.actions)
    return Drift(_ks(data, data.observations), _ks(data, actions), _dynamics(data), _outputs(data))


def _dynamics(data: Dataset) -> Array:
    """`Drift.dynamics`."""
    bounds, count = session_bounds(data), len(_outputs(data))
    sums = [_moments(data, start, stop) for start, stop in bounds]
    inputs = len(sums[0]) - count
    able = [index for index, (start, stop) in enumerate(bounds) if stop - start >= ROWS_PER_INPUT * inputs]
    models = {index: _fit(sums[index], count) for index in able}
    table = np.full((len(bounds), count), np.nan)
    for index in able:
        others = [one for one in able if one != index]
        others = [others[at] for at in np.unique(np.linspace(0, len(others) - 1, MOST_OTHERS).astype(int)) if others]
        if others:
            lost = [_lost(sums, models, index, one) for one in others]
            square = np.diag(sums[index])[-count:]
            judged = square > (STILL**2 * square.max() if _by_joint(data) else 0.0)
            # The lower median: one odd session among three does not make the other two odd.
            middle = np.quantile(lost, 0.5, axis=0, method="lower")
            table[index] = np.where(judged, middle / np.where(judged, square, 1.0), 0.0)
    return table


def ks_statistic(ours: NDArray, theirs: NDArray) -> float:
    """Largest distance between the empirical distribution functions of two samples (n,) and (m,)."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    both = np.concatenate([ours, theirs])
    at = [np.searchsorted(part, both, side="right") / len(part) for part in (ours, theirs)]
    return float(np.abs(at[0] - at[1]).max())


def _ks(data: Dataset, columns: NDArray) -> Array:
    """KS statistic of each session against the rest, (sessions, elements)."""
    bounds = session_bounds(data)
    table = np.full((len(bounds), columns.shape[1]), np.nan)
    for index, (start, stop) in enumerate(bounds):
        others = len(data) - (stop - start)
        if stop > start and others:
            rest = sample(others, KS_ROWS)
            rest[rest >= start] += stop - start
            ours = start + sample(stop - start, KS_ROWS)
            table[index] = [ks_statistic(column[ours], column[rest]) for column in columns.T]
    return table


def _columns(data: Dataset, actions: NDArray) -> NDArray:
    """Actions as (n, action.size): one-hot where they are discrete."""
    if isinstance(data.spec.action, Discrete):
        return np.eye(data.spec.action.size, dtype=np.float32)[actions]
    return actions


def _outputs(data: Dataset) -> tuple[str, ...]:
    """Names of what the one-step model predicts: joint velocities, or else the observation."""
    return data.spec.joint_names if _by_joint(data) else data.spec.observation.names


def _by_joint(data: Dataset) -> bool:
    """Whether joints and recorded commands say more than observations and actions do."""
    return (
        data.spec.command_interface == "velocity" and bool(data.spec.joint_names) and not np.isnan(data.command).any()
    )


def _moments(data: Dataset, start: int, stop: int) -> Array:
    """Sum over rows of the outer product of (1, inputs, outputs) with itself: all that least squares needs."""
    total: Array = np.zeros(())
    for first in range(start, max(stop, start + 1), CHUNK):
        part = slice(first, min(first + CHUNK, stop))
        if _by_joint(data):
            inputs = [data.joint_position[part], data.joint_velocity[part], data.command[part]]
            change = data.next_joint_velocity[part] - data.joint_velocity[part]
        else:
            inputs = [np.asarray(data.observations[part], np.float64), _columns(data, data.actions[part])]
            change = (data.next_observations[part] - data.observations[part]).astype(np.float64)
        row = np.concatenate([np.ones((len(change), 1)), *inputs, change], axis=1, dtype=np.float64)
        total = total + row.T @ row
    return total


def _fit(moments: Array, outputs: int) -> Array:
    """Weights (inputs, outputs) of the least-squares model, with a ridge too small to matter but for rank."""
    size = len(moments) - outputs
    gram = moments[:size, :size]
    ridge = RIDGE * (np.diag(np.diag(gram)) + 1e-9 * np.eye(size))
    return np.asarray(np.linalg.solve(gram + ridge, moments[:size, size:]))


def _lost(sums: Sequence[Array], models: Mapping[int, Array], own: int, other: int) -> Array:
    """Sum of squares of a session that its own model explains and the other's does not, (outputs,), less chance's."""
    inputs, rows, other_rows = len(models[own]), sums[own][0, 0], sums[other][0, 0]
    least = _unexplained(sums[own], models[own])
    # Both models have as many errors of estimation as inputs: the session's own flatter it, the other's cost it.
    chance = least / (rows - inputs) * inputs * (1 + rows / other_rows)
    return np.maximum(_unexplained(sums[own], models[other]) - least - chance, 0)


def _unexplained(moments: Array, weights: Array) -> Array:
    """Sum of squared errors of a model on the rows behind `moments`, (outputs,)."""
    size = len(weights)
    cross = moments[:size, size:]
    explained = 2 * (weights * cross).sum(axis=0) - (weights * (moments[:size, :size] @ weights)).sum(axis=0)
    return np.maximum(np.diag(moments)[size:] - explained, 0)


def checks(found: Drift) -> tuple[Check, ...]:
    """What `found` means for its dataset; every row of a session that differs is marked."""
    return (
        Check(
            OTHER_DYNAMICS,
            Severity.WARNING,
            "the robot, its load or its calibration changed, and the learner would average two robots",
            "find out what changed; leave the older sessions out, or record the change as an observation",
            lambda data: _marks(data, found.dynamics, LOST_LIMIT, found.outputs, "of the motion is not as elsewhere"),
        ),
        Check(
            "sessions that see something else",
            Severity.NOTE,
            "expected when the policy or the goals changed; otherwise a sensor moved",
            "if nobody changed policy or goals, compare the session's start with the others'",
            lambda data: _marks(data, found.observations, KS_LIMIT, data.spec.observation.names, "KS"),
        ),
        Check(
            "sessions that act differently",
            Severity.NOTE,
            "expected after every training; it is how a run in turns gets better",
            "nothing, unless the sessions were meant to share one policy",
            lambda data: _marks(data, found.actions, KS_LIMIT, data.spec.action.names, "KS"),
        ),
    )


def _marks(data: Dataset, table: Array, limit: float, names: tuple[str, ...], unit: str) -> Marks:
    rows: Rows = np.zeros(len(data), dtype=bool)
    known = np.nan_to_num(table)
    for (start, stop), line in zip(session_bounds(data), known, strict=True):
        rows[start:stop] = line.max() > limit
    session, element = np.unravel_index(known.argmax(), known.shape)
    return Marks(rows, f"most in {names[element]}, session {session}: {known[session, element]:.2f} {unit}")
