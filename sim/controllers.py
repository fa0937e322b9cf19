"""What ros2_control does between a command topic and a joint: which controller is heard, and what it says now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.arm import Array
from sim.trajectory import CommandIgnored, Point, Trajectory, plan

__all__ = ["Applied", "CommandIgnored", "Controllers", "checked_values"]

HOME_TOLERANCE = 0.005
"""The arm is home when every joint is this close, in rad or m."""
SETTLE_NS = 1_000_000_000
"""How long after the end of the way home the arm may take to settle there."""


@dataclass(frozen=True)
class Applied:
    """What the joints are told for one control period: `values` (n,) for `interface`, from the controller `source`."""

    source: str
    interface: str
    values: Array


def checked_values(joint_names: Sequence[str], values: ArrayLike) -> Array:
    """Values for a forward controller, (n,). Raises CommandIgnored for a wrong number of them, or one not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (len(joint_names),):
        raise CommandIgnored(f"{array.size} values for {len(joint_names)} joints ({', '.join(joint_names)})")
    if not np.isfinite(array).all():
        raise CommandIgnored(f"{joint_names[int(np.argmin(np.isfinite(array)))]} is not finite")
    return array


class Controllers:
    """A velocity, a position and a trajectory controller over the same joints; the newest command wins.

    As forward_command_controller does, the last command stays in force until another comes; with `timeout_ns`, a
    velocity that nobody renews for so long becomes zero. Until the first command the arm holds `position` (n,). While
    it is on the way home, commands are taken note of but not obeyed.
    """

    def __init__(self, joint_names: Sequence[str], position: Array, timeout_ns: int = 0) -> None:
        self._names = tuple(joint_names)
        self._active: Applied | Trajectory = Applied("hold", "position", position)
        self._home: Trajectory | None = None
        self._timeout_ns = timeout_ns
        self._heard_ns: int | None = None
        self.ignored: Counter[str] = Counter()
        """Commands that were not followed, by controller."""

    def forward(self, interface: str, values: ArrayLike) -> None:
        """Pass on (n,) values for "velocity" or "position". Raises CommandIgnored."""
        source = f"forward_{interface}_controller"
        try:
            array = checked_values(self._names, values)
        except CommandIgnored as error:
            raise self._refuse(source, str(error)) from None
        self._heard_ns = None
        if self._home is None:
            self._active = Applied(source, interface, array)

    def trajectory(self, names: Sequence[str], points: Sequence[Point], start_ns: int, now: Array) -> None:
        """Follow a joint trajectory that begins at `start_ns`, from where the arm is. Raises CommandIgnored."""
        try:
            way = plan(self._names, names, points, start_ns, start_ns, (now, np.zeros_like(now)))
        except CommandIgnored as error:
            raise self._refuse("joint_trajectory_controller", str(error)) from None
        if self._home is None:
            self._active = way

    def go_home(self, home: Array, seconds: float, now_ns: int, now: Array) -> None:
        """Drive to `home` (n,) from `now` (n,) within `seconds`, deaf to commands; then hold there."""
        self._home = Trajectory(np.array([now_ns, now_ns + seconds * 1e9]), np.stack([now, home])[:, None])
        self._active = Applied("hold", "position", home)

    def observe(self, position: Array, now_ns: int) -> None:
        """Take in where the arm is: once home, it hears commands again."""
        if self._home is None or now_ns < self._home.end_ns:
            return
        arrived = np.abs(position - self._home.values[-1, 0]).max() <= HOME_TOLERANCE
        if arrived or now_ns >= self._home.end_ns + SETTLE_NS:
            self._home = None

    @property
    def homing(self) -> bool:
        """Whether the arm is on its way home."""
        return self._home is not None

    def command(self, until_ns: int) -> Applied:
        """What the joints are told for the control period that ends at `until_ns`."""
        if self._home is not None:
            return Applied("home", "position", self._home.at(until_ns)[0])
        if isinstance(self._active, Trajectory):
            return Applied("joint_trajectory_controller", "position", self._active.at(until_ns)[0])
        if self._heard_ns is None:
            self._heard_ns = until_ns
        if self._active.interface == "velocity" and 0 < self._timeout_ns <= until_ns - self._heard_ns:
            return Applied("time-out", "velocity", np.zeros_like(self._active.values))
        return self._active

    def _refuse(self, source: str, reason: str) -> CommandIgnored:
        self.ignored[source] += 1
        return CommandIgnored(f"command to {source} ignored: {reason}")
