"""Checks of the clock: did one row take one control period."""

import numpy as np

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.finding import Check, Marks, Severity

GAP_PERIODS = 1.5


def gaps(data: Dataset) -> Marks:
    """Rows whose next state came later than 1.5 control periods, or before the state itself."""
    periods = (data.next_stamp_ns - data.stamp_ns) / data.spec.period_ns
    rows = (periods > GAP_PERIODS) | (periods <= 0)
    return Marks(np.asarray(rows), f"the longest is {periods.max():.3g} control periods" if rows.any() else "")


CHECKS = (
    Check(
        "gaps in time",
        Severity.WARNING,
        "the next state shows more than one action's work",
        "look for load or lost messages on the robot computer",
        gaps,
    ),
)
