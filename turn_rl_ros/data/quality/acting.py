"""Checks of the actions: how much of their range the data shows, and how often the guard had the last word."""

import numpy as np

from turn_rl_ros.core.guard.guard import Cause
from turn_rl_ros.core.spec import Box
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.finding import Check, Marks, NotApplicable, Severity, session_bounds

SATURATED = 0.99
"""Share of an action limit beyond which an action counts as saturated."""
SATURATED_SHARE = 0.5
CHANGED_SHARE = 0.1
"""A session with a larger share of rows changed by the guard is a finding."""


def saturation(data: Dataset) -> np.ndarray:
    """Share of rows in which each action is at its limit, (action.size,). Raises NotApplicable."""
    return _at_limit(data).mean(axis=0)


def saturated(data: Dataset) -> Marks:
    """Rows with an action at its limit, when that is more than half of all rows of this action."""
    full = _at_limit(data)
    share = full.mean(axis=0)
    seen = [
        f"{name} in {100 * part:.0f} %"
        for name, part in zip(data.spec.action.names, share, strict=True)
        if part > SATURATED_SHARE
    ]
    return Marks(np.asarray(full[:, share > SATURATED_SHARE].any(axis=1)), ", ".join(seen))


def changed_by_guard(data: Dataset) -> Marks:
    """Rows that the guard changed, in the sessions where it did so in more than a tenth of all rows."""
    changed = data.intervention != 0
    rows = np.zeros(len(data), dtype=bool)
    for start, stop in session_bounds(data):
        rows[start:stop] = changed[start:stop] & (changed[start:stop].sum() > CHANGED_SHARE * (stop - start))
    return Marks(rows, ", ".join(f"{name} {count}" for name, count in causes(data.intervention[rows]).items()))


def causes(interventions: np.ndarray) -> dict[str, int]:
    """Rows by why the guard changed them, most frequent first; a row may count for several causes."""
    counts = {str(one.name).lower(): int((interventions & int(one) != 0).sum()) for one in Cause if one}
    return {name: count for name, count in sorted(counts.items(), key=lambda pair: -pair[1]) if count}


def _at_limit(data: Dataset) -> np.ndarray:
    if not isinstance(data.spec.action, Box):
        raise NotApplicable("discrete actions have no limit to be at")
    low, high = np.asarray(data.spec.action.low), np.asarray(data.spec.action.high)
    centre, half = (low + high) / 2, (high - low) / 2
    return np.asarray(np.abs(data.actions - centre) >= SATURATED * half)


CHECKS = (
    Check(
        "actions at their limit",
        Severity.WARNING,
        "the data says little about any other action",
        "explore with smaller or smoother noise",
        saturated,
    ),
    Check(
        "commands that the guard changed",
        Severity.WARNING,
        "the rows show how the guard acts at a limit, not what the policy would cause",
        "move home or the goal box away from the limit, or explore more slowly",
        changed_by_guard,
    ),
)
