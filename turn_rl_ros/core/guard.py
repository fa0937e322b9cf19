"""The guard: what stands between a policy and the joints. No learning code, no ROS, no clock.

Read it whole: a command goes through `Guard.allow`, silence and faults go through `Guard.hold`, and nothing else
produces a command.
"""

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]


class Cause(IntFlag):
    """Why a command was changed or replaced. A bit set, recorded with every transition."""

    NONE = 0
    POSITION_LIMIT = 1
    VELOCITY_LIMIT = 2
    ACCELERATION_LIMIT = 4
    BAD_COMMAND = 8
    """Wrong length, NaN or infinite: held."""
    STALE_COMMAND = 16
    """It answers a state too far from the newest one: held."""
    SILENCE = 32
    """The executor said nothing for `silence_periods`: held."""

    def names(self) -> list[str]:
        """Lower-case names of the bits that are set."""
        return [str(one.name).lower() for one in Cause if one & self]


@dataclass(frozen=True)
class GuardConfig:
    """Parameters of the guard. They can only tighten what the robot description allows."""

    window_s: float = param(
        60.0, "robot time of one session, from the first state on", unit="s", low=0.05, high=86400.0
    )
    position_margin: float = param(
        0.05, "kept clear of each joint's position limits", unit="rad or m", low=0.0, high=1.0
    )
    velocity_scale: float = param(1.0, "share of each joint's velocity limit that may be used", low=0.01, high=1.0)
    max_acceleration: float = param(
        20.0,
        "largest change of a commanded velocity per second; also what braking may count on",
        unit="rad/s^2 or m/s^2",
        low=0.1,
        high=1000.0,
    )
    silence_periods: int = param(3, "control periods without a command after which the arm is held", low=1, high=100)
    state_timeout_s: float = param(
        1.0,
        "no joint state for so long ends the window (wall clock: the ROS clock may stand still)",
        unit="s",
        low=0.05,
        high=60.0,
    )


class Guard:
    """Limits every command, holds when in doubt. All arrays are (n_joints,) in the order of the task spec.

    Under velocity control a hold is zero velocity; under position control it is the position measured when the hold
    began, never zeros.
    """

    def __init__(self, spec: TaskSpec, config: GuardConfig) -> None:
        self._velocity_control = spec.command_interface == "velocity"
        self._period_s, self._period_ns = spec.period_s, spec.period_ns
        margin = config.position_margin if self._velocity_control else 0.0
        self._low, self._high = np.array(spec.joint_low) + margin, np.array(spec.joint_high) - margin
        self._max_velocity = np.array(spec.joint_velocity) * config.velocity_scale
        self._max_acceleration = config.max_acceleration
        self._silence_ns = config.silence_periods * spec.period_ns
        self._position: Array | None = None
        self._state_ns = self._spoke_ns = 0
        self._last = np.zeros(len(spec.joint_names))
        self._held: Array | None = None

    def observe(self, position: Array, stamp_ns: int) -> None:
        """Take in the newest measured joint position."""
        if self._position is None:
            self._spoke_ns = stamp_ns
        self._position, self._state_ns = position, stamp_ns

    def silent(self) -> bool:
        """Whether the executor has said nothing acceptable for `silence_periods`, on the clock of the joint states."""
        return self._state_ns - self._spoke_ns >= self._silence_ns

    def allow(self, command: ArrayLike, stamp_ns: int) -> tuple[Array, Cause]:
        """The nearest safe command to the one proposed for the state of `stamp_ns`, and why it differs.

        Needs a first `observe`; without one, and for a command that is malformed or stale, the answer is `hold`.
        """
        wanted = np.asarray(command, dtype=np.float64)
        if wanted.shape != self._last.shape or not np.isfinite(wanted).all():
            return self.hold(), Cause.BAD_COMMAND
        if self._position is None or abs(stamp_ns - self._state_ns) >= self._silence_ns:
            return self.hold(), Cause.STALE_COMMAND
        self._spoke_ns = stamp_ns
        self._held = None
        safe, cause = (self._limit_velocity if self._velocity_control else self._limit_position)(wanted, self._position)
        self._last = safe
        return safe, cause

    def hold(self) -> Array:
        """The command that keeps the arm where it is.

        Raises:
            RuntimeError: position control, and no joint state so far.
        """
        if self._velocity_control:
            self._last = np.zeros_like(self._last)
            return self._last
        if self._position is None:
            raise RuntimeError("position control cannot hold before the first joint state")
        if self._held is None:
            self._held = self._position
        return self._held

    @property
    def can_hold(self) -> bool:
        """Whether `hold` has what it needs."""
        return self._velocity_control or self._position is not None

    def _limit_velocity(self, wanted: Array, position: Array) -> tuple[Array, Cause]:
        """Velocity, then acceleration, then braking distance: the last one always wins."""
        cause = Cause.NONE
        safe = clamp(wanted, -self._max_velocity, self._max_velocity)
        if (safe != wanted).any():
            cause |= Cause.VELOCITY_LIMIT
        step = self._max_acceleration * self._period_s
        ramped = clamp(safe, self._last - step, self._last + step)
        if (ramped != safe).any():
            cause |= Cause.ACCELERATION_LIMIT
        braked = clamp(ramped, -self._stoppable(position - self._low), self._stoppable(self._high - position))
        if (braked != ramped).any():
            cause |= Cause.POSITION_LIMIT
        return braked, cause

    def _stoppable(self, room: Array) -> Array:
        """Largest speed from which a joint still stops within `room` at the acceleration limit.

        The speed acts for one more period before braking starts: v T + v^2 / (2 a) = room. Outside the limits (room
        < 0) only motion back inside is left.
        """
        reach = self._max_acceleration * self._period_s
        return np.sqrt(reach**2 + 2 * self._max_acceleration * np.maximum(room, 0.0)) - reach

    def _limit_position(self, wanted: Array, position: Array) -> tuple[Array, Cause]:
        """A target within the joint's range and within one period's reach of where the joint is."""
        cause = Cause.NONE
        inside = clamp(wanted, self._low, self._high)
        if (inside != wanted).any():
            cause |= Cause.POSITION_LIMIT
        step = self._max_velocity * self._period_s * (1 + 1e-9)
        safe = clamp(inside, position - step, position + step)
        if (safe != inside).any():
            cause |= Cause.VELOCITY_LIMIT
        return safe, cause


def clamp(value: Array, low: Array, high: Array) -> Array:
    """np.clip at a quarter of its cost for a handful of joints; where the bounds cross, `high` wins."""
    return np.minimum(np.maximum(value, low), high)


class Window:
    """The time budget of a session. It opens with the first joint state and never gets longer."""

    def __init__(self, budget_s: float) -> None:
        self._budget_ns = round(budget_s * 1e9)
        self._opened_ns: int | None = None
        self._latest_ns = 0

    def tick(self, now_ns: int) -> bool:
        """Count time up to `now_ns`; True once the budget is spent. Time that runs backwards spends the rest of it."""
        if self._opened_ns is None:
            self._opened_ns = self._latest_ns = now_ns
        if now_ns < self._latest_ns:
            self._opened_ns = self._latest_ns - self._budget_ns
            return True
        self._latest_ns = now_ns
        return now_ns - self._opened_ns >= self._budget_ns

    @property
    def used_s(self) -> float:
        """Seconds since it opened."""
        return 0.0 if self._opened_ns is None else (self._latest_ns - self._opened_ns) / 1e9

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._budget_ns / 1e9 - self.used_s) if math.isfinite(self.used_s) else 0.0
