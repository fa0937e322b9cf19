"""What ros2_control does between a command topic and a joint: which controller is heard, and what it says now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.arm import Array
from turn_rl_ros.core.errors import TurnRlError

HOME_TOLERANCE = 0.005
"""The arm is home when every joint is this close, in rad or m."""
SETTLE_NS = 1_000_000_000
"""How long after the end of the way home the arm may take to settle there."""


class CommandIgnored(TurnRlError):
    """A command that no controller can follow; the one before it stays in force."""


@dataclass(frozen=True)
class Applied:
    """What the joints are told for one control period: `values` (n,) for `interface`, from the controller `source`."""

    source: str
    interface: str
    values: Array


@dataclass(frozen=True)
class Ramp:
    """Joint positions (points, n) at times (points,) in ns, joined by straight lines; the last one stays."""

    times_ns: Array
    positions: Array

    def at(self, time_ns: int) -> Array:
        """Position at a time, (n,)."""
        return np.array([np.interp(time_ns, self.times_ns, column) for column in self.positions.T])


class Controllers:
    """A velocity, a position and a trajectory controller over the same joints; the newest command wins.

    As forward_command_controller does, the last command stays in force until another comes; with `timeout_ns`, a
    velocity that nobody renews for so long becomes zero. Until the first command the arm holds `position` (n,). While
    it is on the way home, commands are taken note of but not obeyed.
    """

    def __init__(self, joint_names: Sequence[str], position: Array, timeout_ns: int = 0) -> None:
        self._names = tuple(joint_names)
        self._active: Applied | Ramp = Applied("hold", "position", position)
        self._home: Ramp | None = None
        self._timeout_ns = timeout_ns
        self._heard_ns: int | None = None
        self.ignored: Counter[str] = Counter()
        """Commands that were not followed, by controller."""

    def forward(self, interface: str, values: ArrayLike) -> None:
        """Pass on (n,) values for "velocity" or "position". Raises CommandIgnored."""
        source = f"forward_{interface}_controller"
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (len(self._names),):
            raise self._refuse(source, f"{array.size} values for {len(self._names)} joints ({', '.join(self._names)})")
        if not np.isfinite(array).all():
            raise self._refuse(source, f"{self._names[int(np.argmin(np.isfinite(array)))]} is not finite")
        self._heard_ns = None
        if self._home is None:
            self._active = Applied(source, interface, array)

    def trajectory(
        self, names: Sequence[str], seconds: ArrayLike, positions: Sequence, start_ns: int, now: Array
    ) -> None:
        """Follow a joint trajectory, from where the arm is. Raises CommandIgnored.

        Args:
            names: the joints in any order, all of them.
            seconds: (points,) time_from_start, strictly increasing.
            positions: (points, n) in the order of `names`.
            start_ns: when it begins.
            now: (n,) where the arm is.
        """
        source = "joint_trajectory_controller"
        if sorted(names) != sorted(self._names):
            raise self._refuse(source, f"joints {', '.join(names) or 'none'}; expected {', '.join(self._names)}")
        times = np.asarray(seconds, dtype=np.float64)
        if not times.size or any(len(row) != len(names) for row in positions):
            raise self._refuse(source, "every point needs one position a joint, and there must be a point")
        points = np.array(positions, dtype=np.float64)[:, [list(names).index(name) for name in self._names]]
        if not np.isfinite(points).all() or times[0] < 0 or (np.diff(times) <= 0).any():
            raise self._refuse(source, "positions must be finite and time_from_start must increase from point to point")
        if self._home is None:
            self._active = _ramp_from(now, start_ns, times, points)

    def go_home(self, home: Array, seconds: float, now_ns: int, now: Array) -> None:
        """Drive to `home` (n,) from `now` (n,) within `seconds`, deaf to commands; then hold there."""
        self._home = _ramp_from(now, now_ns, np.array([seconds]), home[None])
        self._active = Applied("hold", "position", home)

    def observe(self, position: Array, now_ns: int) -> None:
        """Take in where the arm is: once home, it hears commands again."""
        if self._home is None or now_ns < self._home.times_ns[-1]:
            return
        arrived = np.abs(position - self._home.positions[-1]).max() <= HOME_TOLERANCE
        if arrived or now_ns >= self._home.times_ns[-1] + SETTLE_NS:
            self._home = None

    @property
    def homing(self) -> bool:
        """Whether the arm is on its way home."""
        return self._home is not None

    def command(self, until_ns: int) -> Applied:
        """What the joints are told for the control period that ends at `until_ns`."""
        if self._home is not None:
            return Applied("home", "position", self._home.at(until_ns))
        if isinstance(self._active, Ramp):
            return Applied("joint_trajectory_controller", "position", self._active.at(until_ns))
        if self._heard_ns is None:
            self._heard_ns = until_ns
        if self._active.interface == "velocity" and 0 < self._timeout_ns <= until_ns - self._heard_ns:
            return Applied("time-out", "velocity", np.zeros_like(self._active.values))
        return self._active

    def _refuse(self, source: str, reason: str) -> CommandIgnored:
        self.ignored[source] += 1
        return CommandIgnored(f"command to {source} ignored: {reason}")


def _ramp_from(now: Array, start_ns: int, seconds: Array, points: Array) -> Ramp:
    """From `now` through `points` (points, n) at `seconds` (points,) after `start_ns`."""
    times_ns = start_ns + np.concatenate([[0.0], seconds * 1e9])
    return Ramp(times_ns, np.vstack([now, points]))
