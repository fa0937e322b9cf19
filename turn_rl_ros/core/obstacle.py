"""A box that an arm keeps out of, and how near the arm comes to it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.robot import KinematicChain
from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]

SPACING_M = 0.03
"""Largest distance between two points at which the arm's line is looked at."""


@dataclass(frozen=True)
class Obstacle:
    """A box from `low` to `high`, (3,) metres in the base frame, and the room that the arm's line leaves around it."""

    low: Array
    high: Array
    clearance_m: float

    def gap(self, points: Array) -> Array:
        """How far points (..., 3) are from the box less the clearance, (...) metres along the farthest axis.

        Negative within the clearance, and the more so the deeper.
        """
        return np.maximum(self.low - points, points - self.high).max(axis=-1) - self.clearance_m

    def to_details(self) -> dict[str, Any]:
        """As JSON values, for a task spec."""
        return {"low": self.low.tolist(), "high": self.high.tolist(), "clearance_m": self.clearance_m}


def obstacle_of(spec: TaskSpec) -> Obstacle | None:
    """The obstacle of a task; None where it has none."""
    details: Mapping[str, Any] | None = spec.details.get("obstacle")
    if details is None:
        return None
    return Obstacle(np.array(details["low"]), np.array(details["high"]), float(details["clearance_m"]))


def line_weights(chain: KinematicChain) -> Array:
    """(points, n_joints + 1) weights w: `w @ chain.places(q)` are points along the line from joint to joint to the tip.

    They are at most SPACING_M apart where no joint is prismatic.
    """
    places = chain.places(np.zeros(len(chain.joint_names)))
    rows = [np.eye(len(places))[0]]
    for index, length in enumerate(np.linalg.norm(np.diff(places, axis=0), axis=1)):
        for share in np.linspace(0.0, 1.0, math.ceil(length / SPACING_M) + 1)[1:]:
            row = np.zeros(len(places))
            row[index : index + 2] = 1.0 - share, share
            rows.append(row)
    return np.array(rows)
