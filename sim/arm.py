"""What the environment and the arm node need from a simulated arm."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class SimArm(Protocol):
    """Some joints that obey commands. Positions in rad or m, velocities per second, efforts in Nm or N."""

    joint_names: tuple[str, ...]
    interfaces: tuple[str, ...]
    """The command interfaces it offers: "velocity", "position"."""
    home: Array
    """(n,) joint position in which it wakes up."""

    def reset(self, joint_position: Array | None = None, seed: int | None = None) -> None:
        """Rest at `joint_position` (n,), or at home. `seed` restarts the arm's randomness, if it has any."""
        ...

    def step(self, command: Array, interface: str, period_s: float) -> None:
        """Obey `command` (n,) for one control period; `interface` is one of `interfaces`."""
        ...

    def state(self) -> tuple[Array, Array, Array]:
        """Joint position, velocity and effort now, (n,) each."""
        ...

    def homing_s(self, speed: float) -> float:
        """Seconds that the way home takes at `speed` (rad/s or m/s)."""
        ...

    def close(self) -> None:
        """Free what the simulator holds."""
        ...
