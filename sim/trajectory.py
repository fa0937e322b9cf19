"""joint_trajectory_controller: which trajectories it takes, where it wants the joints, when it gives up and holds.

Follows https://control.ros.org/jazzy/doc/ros2_controllers/joint_trajectory_controller/doc/userdoc.html, its pages
"Trajectory Representation" and "parameters", for position commands and the topic interface. Left out: effort, wrapping
of continuous joints, speed scaling, `interpolation_method: none`, trajectories without positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sim.arm import Array
from turn_rl_ros.core.errors import TurnRlError


class CommandIgnored(TurnRlError):
    """A command that no controller can follow; the one before it stays in force."""


class Point(NamedTuple):
    """trajectory_msgs/JointTrajectoryPoint without effort; an empty field is one that was not given."""

    seconds: float
    """time_from_start."""
    positions: Sequence[float]
    velocities: Sequence[float] = ()
    accelerations: Sequence[float] = ()


@dataclass(frozen=True)
class Trajectory:
    """Knots of all joints: `times_ns` (k,), `values` (k, derivatives, n): positions and what is known beyond them."""

    times_ns: Array
    values: Array
    before: Array | None = None
    """Where the arm is held before the first knot (n,); None: there."""

    def at(self, time_ns: int) -> tuple[Array, Array]:
        """Position and velocity (n,) each; after the last knot the arm is held there.

        Linear between knots that have positions, cubic with velocities, quintic with accelerations ("Interpolation
        Method spline").
        """
        k = int(np.searchsorted(self.times_ns, time_ns, side="right"))
        if k in (0, len(self.times_ns)):
            place = self.before if k == 0 and self.before is not None else self.values[max(k - 1, 0), 0]
            return place, np.zeros_like(place)
        span_s = (self.times_ns[k] - self.times_ns[k - 1]) * 1e-9
        passed_s = (time_ns - self.times_ns[k - 1]) * 1e-9
        powers = _spline(self.values[k - 1], self.values[k], span_s)
        order = np.arange(len(powers))
        position = (passed_s**order) @ powers
        velocity = (order[1:] * passed_s ** (order[1:] - 1)) @ powers[1:]
        return position, velocity

    @property
    def end_ns(self) -> int:
        """When the last point is due."""
        return int(self.times_ns[-1])


def _spline(begin: Array, end: Array, span_s: float) -> Array:
    """Coefficients, lowest power first, of the polynomials from `begin` to `end` (derivatives, n)."""
    derivatives = len(begin)
    count = 2 * derivatives
    rows = [np.array([_falling(power, d) * at ** max(power - d, 0) for power in range(count)])
            for at in (0.0, span_s) for d in range(derivatives)]  # fmt: skip
    return np.linalg.solve(np.array(rows), np.concatenate([begin, end]))


def _falling(power: int, derivative: int) -> float:
    """Factor that the `derivative`-th derivative puts before a power; 0 where the power is gone."""
    return float(np.prod(range(power - derivative + 1, power + 1))) if power >= derivative else 0.0


def plan(
    joint_names: Sequence[str],
    given_names: Sequence[str],
    points: Sequence[Point],
    start_ns: int,
    now_ns: int,
    here: tuple[Array, Array],
    partial: bool = False,
) -> Trajectory:
    """The trajectory that the controller makes of a message, in the order of `joint_names`. Raises CommandIgnored.

    Args:
        joint_names: the controller's joints.
        given_names: the message's, in any order; all of them, or some if `partial`: the others stay.
        points: the waypoints, at times that increase strictly.
        start_ns: header stamp; 0 starts now. Waypoints in the past are discarded.
        now_ns: the time now.
        here: position and velocity (n,) from which the arm goes on.
        partial: `allow_partial_joints_goal`.
    """
    _check(joint_names, given_names, points, partial)
    start_ns = start_ns or now_ns
    times = start_ns + np.array([round(point.seconds * 1e9) for point in points])
    if times[-1] < now_ns:
        raise CommandIgnored("the trajectory ends in the past")
    order = [list(joint_names).index(name) for name in given_names]
    fields = 1 + bool(len(points[0].velocities)) + bool(len(points[0].velocities) and len(points[0].accelerations))
    still = np.zeros((len(points), fields, len(joint_names)))
    still[:, 0] = here[0]
    for knot, point in zip(still, points, strict=True):
        for derivative, given in enumerate((point.positions, point.velocities, point.accelerations)[:fields]):
            knot[derivative, order] = given
    ahead = times >= max(start_ns, now_ns)
    times, values = times[ahead], still[ahead]
    if times[0] == max(start_ns, now_ns):  # "If the first point is starting at t=0, there is no interpolation"
        return Trajectory(times, values, here[0])
    first = np.stack([*here, np.zeros_like(here[0])][:fields])
    return Trajectory(np.append(max(start_ns, now_ns), times), np.concatenate([first[None], values]))


def _check(joint_names: Sequence[str], given_names: Sequence[str], points: Sequence[Point], partial: bool) -> None:
    """Raise CommandIgnored for what the controller refuses, in its order."""
    names = list(given_names)
    if not partial and sorted(names) != sorted(joint_names):
        raise CommandIgnored(f"joints {', '.join(names) or 'none'}; expected {', '.join(joint_names)}")
    if not names or len(set(names)) < len(names) or set(names) - set(joint_names):
        raise CommandIgnored(f"joints {', '.join(names) or 'none'}; known: {', '.join(joint_names)}")
    if not points:
        raise CommandIgnored("the trajectory is empty")
    if np.abs(np.asarray(points[-1].velocities, dtype=np.float64)).max(initial=0.0) > np.finfo(np.float32).eps:
        raise CommandIgnored("the velocity of the last point is not zero")
    seconds = [point.seconds for point in points]
    if seconds[0] < 0 or (np.diff(seconds) <= 0).any():
        raise CommandIgnored("time_from_start must increase from point to point")
    for point in points:
        if len(point.positions) != len(names):
            raise CommandIgnored("every point needs one position a joint")
        for values, first in ((point.velocities, points[0].velocities), (point.accelerations, points[0].accelerations)):
            if len(values) not in (0, len(names)) or len(values) != len(first):
                raise CommandIgnored("velocities and accelerations: one a joint in every point, or none")
        if not all(np.isfinite(values).all() for values in point[1:]):
            raise CommandIgnored("positions, velocities and accelerations must be finite")


@dataclass(frozen=True)
class Constraints:
    """The controller's parameters of these names; 0 is not checked, as there."""

    trajectory: float = 0.0
    """Offset allowed while moving, rad or m."""
    goal: float = 0.0
    """Offset allowed at the goal, rad or m."""
    goal_time_s: float = 0.0
    """Wait for the goal at most so long after the trajectory's end; 0: for ever."""
    stopped_velocity: float = 0.01
    cmd_timeout_s: float = 0.0
    """From the end of the trajectory; ignored unless it is longer than goal_time."""


class TrajectoryController:
    """joint_trajectory_controller with position commands; `start` it before use."""

    interface = "position"

    def __init__(self, joint_names: Sequence[str], constraints: Constraints, partial: bool = False) -> None:
        self._names, self._constraints, self._partial = tuple(joint_names), constraints, partial
        self.gave_up = ""
        """Why the last trajectory was aborted; empty while all is well."""

    def start(self, position: Array) -> None:
        """Activation: hold position (n,)."""
        self._hold(position)

    def take(
        self, names: Sequence[str], points: Sequence[Point], start_ns: int, now_ns: int, here: tuple[Array, Array]
    ) -> None:
        """A new trajectory replaces the one before. Raises CommandIgnored, and goes on with the one before."""
        self._follow = plan(self._names, names, points, start_ns, now_ns, here, self._partial)
        self._holding, self.gave_up = False, ""

    def update(self, now_ns: int, until_ns: int, position: Array, velocity: Array) -> Array:
        """What the joints are told (n,) for the period from `now_ns`, where they are measured, to `until_ns`."""
        if not self._holding:
            self.gave_up = self._violated(now_ns, position, velocity)
            if self.gave_up:
                self._hold(position)
        return self._follow.at(until_ns)[0]

    def _violated(self, now_ns: int, position: Array, velocity: Array) -> str:
        limits = self._constraints
        wanted, speed = self._follow.at(now_ns)
        error, after_s = float(np.abs(wanted - position).max()), (now_ns - self._follow.end_ns) * 1e-9
        if after_s < 0:
            return "state tolerance violation" if 0 < limits.trajectory < error else ""
        moving = 0 < limits.stopped_velocity < float(np.abs(speed - velocity).max())
        outside = moving or 0 < limits.goal < error
        if outside and 0 < limits.goal_time_s < after_s:
            return "goal_time_tolerance exceeded"
        return "command timeout" if limits.goal_time_s < limits.cmd_timeout_s < after_s else ""

    def _hold(self, position: ArrayLike) -> None:
        self._follow = Trajectory(np.zeros(1), np.array(position, dtype=np.float64)[None, None])
        self._holding = True
