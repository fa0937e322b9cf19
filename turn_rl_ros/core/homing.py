"""The way home as one trajectory point, and the way to a stop as another. Pure."""

from dataclasses import dataclass

import numpy as np

from turn_rl_ros.core.config import param
from turn_rl_ros.core.task.base import Array


@dataclass(frozen=True)
class HomingConfig:
    """Parameters of the homing node."""

    speed: float = param(0.3, "largest joint speed on the way home", unit="rad/s or m/s", low=0.001, high=10.0)
    acceleration: float = param(
        0.5, "largest joint acceleration, also of a stop on the way", unit="rad/s^2 or m/s^2", low=0.01, high=100.0
    )
    tolerance: float = param(0.01, "home is where every joint is this close", unit="rad or m", low=1e-4, high=1.0)
    patience_s: float = param(3.0, "how much later than planned the arm may arrive", unit="s", low=0.1, high=60.0)
    trajectory_controller: str = param("joint_trajectory_controller", "controller that drives home")
    controller: str = param("forward_velocity_controller", "controller that has the joints otherwise")


@dataclass(frozen=True)
class Way:
    """A single point from where the arm is: `position` (n,), reached at rest after `seconds`."""

    position: Array
    seconds: float


def way_home(position: Array, home: Array, config: HomingConfig) -> Way:
    """A cubic from rest to rest: its top speed is 1.5 times the mean, its top acceleration 6 d / T^2."""
    distance = float(np.abs(home - position).max())
    seconds = max(1.5 * distance / config.speed, (6.0 * distance / config.acceleration) ** 0.5, 0.1)
    return Way(np.array(home), seconds)


def way_to_stop(position: Array, velocity: Array, config: HomingConfig) -> Way:
    """A stop of all joints together: a cubic from speed v to rest over d = v T / 3.

    It slows down most at its start, by 6 d / T^2 - 4 v / T = -2 v / T, and not at all any more at its end.
    """
    seconds = max(2.0 * float(np.abs(velocity).max()) / config.acceleration, 0.05)
    return Way(position + velocity * seconds / 3.0, seconds)
