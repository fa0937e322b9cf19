"""Joint limits: how fast a joint may go, how fast that may change, and whether it can still stop in time.

All arrays end in (n_joints,); rad, rad/s and so on, or m, m/s for a prismatic joint.
"""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]

SLACK = 1e-9
"""Room for rounding: a limit may be touched, also by a number that went through a division."""
LONGEST_STOP = 10_000
"""Periods after which playing out a stop is given up; no sensible limits take so long."""


def clamp(value: Array, low: Array, high: Array) -> Array:
    """np.clip at a quarter of its cost for a handful of joints; where the bounds cross, `high` wins."""
    return np.minimum(np.maximum(value, low), high)


def approach(room: Array, rate: Array | float, period_s: float, latency_s: float = 0.0) -> Array:
    """Largest speed towards a bound `room` away from which one can still stop there.

    A speed v acts for a period T and `latency_s` L; then it falls by `rate` a times T each period. With n periods of
    braking, the way to rest is v ((n + 1) T + L) - a T^2 n (n + 1) / 2. This solves it for v. Beyond the bound: 0.

    The same law holds one order up: the acceleration with which a velocity may run towards its own limit.
    """
    room = np.maximum(room, 0.0)
    unit = 0.5 * rate * period_s**2
    base = unit + rate * (period_s * latency_s)
    n = np.floor((np.sqrt(base * base + 4.0 * unit * room) - base) / (2.0 * unit))
    return (room + unit * n * (n + 1.0)) / ((n + 1.0) * period_s + latency_s)


class JointLimits:
    """Limits of all joints: those of the task spec (the URDF's), tightened by the guard's parameters."""

    def __init__(self, spec: TaskSpec, config: GuardConfig) -> None:
        """Raises ConfigError for a list of the wrong length, and for a limit that loosens the robot description's."""
        n = len(spec.joint_names)
        self.low = _tightened("joint_low", config.joint_low, np.array(spec.joint_low), +1) + config.position_margin
        self.high = _tightened("joint_high", config.joint_high, np.array(spec.joint_high), -1) - config.position_margin
        _require_room(spec, self.low, self.high)
        described = np.array(spec.joint_velocity)
        self.velocity = _tightened("joint_velocity", config.joint_velocity, described, -1) * config.velocity_scale
        most = np.full(n, config.max_acceleration)
        self.acceleration = _tightened("joint_acceleration", config.joint_acceleration, most, -1)
        self.period_s = spec.period_s
        # A position command that stays in force is a place to stop at; a velocity goes on.
        self.latency_s = config.latency_s if spec.command_interface == "velocity" else 0.0
        # A jerk that allows full reversal of acceleration within a period is no limit.
        binding = 0.0 < config.max_jerk * self.period_s < 2.0 * self.acceleration.max()
        self.jerk = config.max_jerk if binding else None
        self._longest = self._way_to_rest(self.velocity)

    def track(self, velocity: Array, acceleration: Array, target: Array, dt_s: float) -> Array:
        """The velocity `dt_s` after `velocity` that comes nearest to `target` within acceleration and jerk limits.

        With a jerk limit the acceleration also falls early enough to be gone when the target is reached.
        """
        if self.jerk is None:
            step = self.acceleration * dt_s
            return clamp(target, velocity - step, velocity + step)
        gap = target - velocity
        wanted = np.copysign(approach(np.abs(gap), self.jerk, self.period_s), gap)
        change = self.jerk * dt_s
        new = clamp(wanted, -self.acceleration, self.acceleration)
        return velocity + clamp(new, acceleration - change, acceleration + change) * dt_s

    def brake(self, velocity: Array, position: Array, latency_s: float = 0.0) -> Array:
        """`velocity`, lowered where the joint could not stop before its position limit at its acceleration limit.

        Far from all limits it is the same array that comes back.
        """
        below, above = position - self.low, self.high - position
        if (np.minimum(below, above) >= self._longest).all():
            return velocity
        room = np.array((below, above)) + SLACK
        down, up = approach(room, self.acceleration[None], self.period_s, latency_s)
        return clamp(velocity, -down, up)

    def _way_to_rest(self, velocity: Array) -> Array:
        """Distance to rest from `velocity` (n,) without a jerk limit: what `approach` inverts."""
        n = np.floor(velocity / (self.acceleration * self.period_s))
        lost = 0.5 * self.acceleration * self.period_s**2 * n * (n + 1.0)
        return velocity * ((n + 1.0) * self.period_s + self.latency_s) - lost

    def stop(self, velocity: Array, acceleration: Array) -> Array:
        """The velocities of a stop, period by period after `velocity` (..., n), until all rest: (periods, ..., n)."""
        path: list[Array] = []
        rest = np.zeros_like(velocity)
        while len(path) < LONGEST_STOP and (velocity.any() or (self.jerk and acceleration.any())):
            slower = self.track(velocity, acceleration, rest, self.period_s)
            velocity, acceleration = slower, (slower - velocity) / self.period_s
            path.append(velocity)
        return np.array(path).reshape(-1, *rest.shape)

    def stops_inside(self, velocity: Array, path: Array, position: Array) -> NDArray[np.bool_]:
        """Whether each joint, after a period at `velocity` (m, n) and then along `path` (periods, m, n), stays inside.

        Gives (m, n). A joint that is outside already stays inside if it goes no further out.
        """
        speeds = np.concatenate([velocity[None], path])
        way = np.cumsum(speeds, axis=0) * self.period_s
        late = np.array([speeds.min(axis=0), speeds.max(axis=0)]) * self.latency_s
        lowest = np.minimum(way.min(axis=0), 0.0) + np.minimum(late[0], 0.0)
        highest = np.maximum(way.max(axis=0), 0.0) + np.maximum(late[1], 0.0)
        down, up = np.maximum(position - self.low, 0.0), np.maximum(self.high - position, 0.0)
        return (-lowest <= down + SLACK) & (highest <= up + SLACK)


def _tightened(name: str, given: tuple[float, ...], described: Array, side: int) -> Array:
    """`given`, or `described` where it is empty; `side` is +1 for a lower bound and -1 for an upper one."""
    if not given:
        return described
    if len(given) != len(described):
        raise ConfigError(f"guard: {name} has {len(given)} values for {len(described)} joints")
    values = np.array(given)
    loose = np.flatnonzero(side * (values - described) < 0)
    if loose.size:
        i = loose[0]
        raise ConfigError(
            f"guard: {name}[{i}] = {values[i]:g} is looser than the limit of {described[i]:g}; "
            "parameters can only tighten"
        )
    return values


def _require_room(spec: TaskSpec, low: Array, high: Array) -> None:
    empty = np.flatnonzero(low > high)
    if empty.size:
        raise ConfigError(
            f"guard: position limits and margin leave {spec.joint_names[empty[0]]} no room "
            f"({low[empty[0]]:g} to {high[empty[0]]:g})"
        )
