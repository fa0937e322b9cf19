"""The guard: what stands between a policy and the joints. No learning code, no ROS, no clock.

Read it whole: a command goes through `Guard.allow`, silence and faults go through `Guard.hold`, what the executor said
last goes through `Guard.overdue` while it is late, and nothing else produces a command. All three end in `_limit`,
whose order is: velocity, acceleration and jerk, position with braking distance, workspace.
"""

import math
from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike

from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.limits import SLACK, Array, JointLimits, clamp
from turn_rl_ros.core.guard.workspace import make_workspace
from turn_rl_ros.core.spec import TaskSpec

SHARES = np.linspace(1.0, 0.0, 17)[:, None]
"""How much of the way from stopping to the wanted motion is tried when that motion does not fit."""


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
    JERK_LIMIT = 64
    WORKSPACE = 128
    """The end effector would leave its box, or a joint would come too low."""
    TIP_SPEED = 256
    REPEATED_COMMAND = 512
    """A second command in one instant: the first one stands."""
    BAD_STATE = 1024
    """Joint states that lack a joint, are not finite, or changed the order of their joints: held."""
    FROZEN_STATE = 2048
    """Joint states that stay the same although motion was commanded: held."""
    NO_STATE = 4096
    """No joint state for `silence_periods`: held."""
    ESTOP = 8192
    BUDGET = 16384
    """Stopped ahead of the end of the window, to be at rest when it comes."""

    def names(self) -> list[str]:
        """Lower-case names of the bits that are set."""
        return [str(one.name).lower() for one in Cause if one & self]


class Guard:
    """Limits every command, holds when in doubt. All arrays are (n_joints,) in the order of the task spec.

    A command is a velocity, or a position that is understood as the velocity which leads there within one period from
    where the joint was measured. So the same limits serve both, and a set-point never runs away from the arm. A hold is
    a stop within the acceleration and jerk limits: at zero velocity, or at the position that the stop leads to.
    """

    def __init__(self, spec: TaskSpec, config: GuardConfig) -> None:
        """Raises ConfigError when the parameters do not fit the robot, or loosen its limits."""
        self.limits = JointLimits(spec, config)
        self._workspace = make_workspace(spec, config)
        self._velocity_control = spec.command_interface == "velocity"
        # A position that takes exactly the top speed to reach must not fail for rounding.
        self._top = self.limits.velocity * (1.0 if self._velocity_control else 1.0 + SLACK)
        self._period_s, self._period_ns = spec.period_s, spec.period_ns
        self._silence_ns = config.silence_periods * spec.period_ns
        self._late_periods = int(np.ceil(self.limits.latency_s / self._period_s - SLACK))
        # What a jerk limit adds to the time that a stop takes.
        self._smoothing_s = float(self.limits.acceleration.max() / self.limits.jerk) if self.limits.jerk else 0.0
        self._longest_stop_s = float((self.limits.velocity / self.limits.acceleration).max()) + self._smoothing_s
        self._frozen_travel = config.frozen_travel
        n = len(spec.joint_names)
        self._rest = np.zeros(n)
        self._velocity, self._acceleration, self._command = np.zeros(n), np.zeros(n), np.zeros(n)
        self._position: Array | None = None
        self._place: Array | None = None
        """Position control: the set-point of the hold under way."""
        self._state_ns = self._spoke_ns = self._told_ns = 0
        self._unmoved = 0.0

    def observe(self, position: Array, velocity: Array, stamp_ns: int) -> None:
        """Take in the newest measured joint position and velocity.

        The first one, and one after a gap or a jump of the clock, say how fast the arm really moves: the next command
        continues from there.
        """
        if self._position is None:
            self._spoke_ns = stamp_ns
        if self._position is None or not 0 <= stamp_ns - self._state_ns <= self._silence_ns:
            self._velocity, self._acceleration = clamp(velocity, -self._top, self._top), self._rest
            self._told_ns, self._place, self._unmoved = stamp_ns - self._period_ns, None, 0.0
        elif (position != self._position).any():
            self._unmoved = 0.0
        else:
            self._unmoved += float(np.abs(self._velocity).max()) * (stamp_ns - self._state_ns) * 1e-9
        if not self._velocity_control and stamp_ns - self._told_ns > 1.5 * self._period_ns:
            self._velocity = self._acceleration = self._rest  # a set-point that nobody moved is a stop
        self._position, self._state_ns = position, stamp_ns

    @property
    def silent(self) -> bool:
        """Whether the executor has said nothing acceptable for `silence_periods`, on the clock of the joint states."""
        return self._state_ns - self._spoke_ns >= self._silence_ns

    @property
    def frozen(self) -> bool:
        """Whether joint states stand still, bit for bit, although `frozen_travel` of motion was commanded."""
        return 0.0 < self._frozen_travel <= self._unmoved

    @property
    def can_hold(self) -> bool:
        """Whether `hold` has what it needs."""
        return self._velocity_control or self._position is not None

    @property
    def at_rest(self) -> bool:
        """Whether the last command asks for no motion."""
        return not self._velocity.any()

    def allow(self, command: ArrayLike, stamp_ns: int, left_s: float = math.inf) -> tuple[Array, Cause]:
        """The nearest safe command to the one proposed for the state of `stamp_ns`, and why it differs.

        Needs a first `observe`; without one, and for a command that is malformed or stale, the answer is `hold`.
        Towards the end of the window, `left_s` from now, speed falls, so that the arm is at rest when the end comes.
        """
        wanted = np.asarray(command, dtype=np.float64)
        if wanted.shape != self._rest.shape or not np.isfinite(wanted).all():
            return self.hold(), Cause.BAD_COMMAND
        if self._position is None or abs(stamp_ns - self._state_ns) >= self._silence_ns:
            return self.hold(), Cause.STALE_COMMAND
        self._spoke_ns = stamp_ns
        dt_s = self._elapsed(self._state_ns)
        if dt_s == 0.0:
            return self._command, Cause.REPEATED_COMMAND
        self._told_ns, self._place = self._state_ns, None
        if self._velocity_control:
            self._command, cause = self._limit(wanted, self._position, dt_s, left_s)
            return self._command, cause
        speed = (wanted - self._position) / self._period_s
        safe, cause = self._limit(speed, self._position, dt_s, left_s)
        self._command = np.where(safe == speed, wanted, self._position + safe * self._period_s)
        return self._command, cause

    @property
    def hurries(self) -> bool:
        """Velocity control: whether the last command, kept for another period, leaves a joint no room to stop.

        For `latency_s` it does: so long an answer to the newest state may take.
        """
        if self._position is None or not self._velocity_control or self._told_ns == self._state_ns:
            return False
        return bool((self.limits.brake(self._velocity, self._position) != self._velocity).any())

    def overdue(self, waited_s: float | None = None) -> tuple[Array, Cause] | None:
        """Velocity control, with each state: the last command, braked, if that cannot wait for the executor; else None.

        It cannot while the executor is late: a joint would run on for `silence_periods` at a speed that was safe for
        one. Nor can it where the arm `hurries`: ask again when the executor has had `waited_s` for its answer, a share
        of `latency_s`.
        """
        dt_s = self._elapsed(self._state_ns)
        if dt_s == 0.0 or self._position is None or not self._velocity_control:
            return None
        late = self._state_ns - self._spoke_ns > 1.5 * self._period_ns
        if not late and (waited_s is None or not self.hurries):
            return None
        before = self._acceleration
        if self._state_ns - self._told_ns > 1.5 * self._period_ns:  # what was speeding up then no longer is
            self._acceleration = np.where(self._acceleration * self._velocity > 0.0, 0.0, self._acceleration)
        position = self._position + self._velocity * (waited_s or 0.0)
        command, cause = self._limit(self._velocity, position, dt_s)
        if cause == Cause.NONE:
            self._acceleration = before
            return None
        self._command, self._told_ns = command, self._state_ns
        return command, cause

    def hold(self, now_ns: int | None = None) -> Array:
        """The next command of a stop, and then the one that keeps the arm where it is.

        Args:
            now_ns: time on the clock of the joint states; without it, that of the newest one.

        Raises:
            RuntimeError: position control, and no joint state so far.
        """
        if not self.can_hold:
            raise RuntimeError("position control cannot hold before the first joint state")
        now_ns = self._state_ns if now_ns is None else now_ns
        dt_s = self._elapsed(now_ns)
        if dt_s == 0.0:
            return self._command
        self._told(self._halt(dt_s), dt_s)
        self._told_ns = now_ns
        if self._velocity_control:
            self._command = self._velocity
        else:
            assert self._position is not None
            begun = self._position if self._place is None else self._place
            self._command = self._place = begun + self._velocity * dt_s
        return self._command

    def _elapsed(self, now_ns: int) -> float:
        """Seconds since the last command, a period at most.

        Limits are per second, not per command: a burst of commands within a period gains nothing.
        """
        return min(max(now_ns - self._told_ns, 0), self._period_ns) * 1e-9

    def _limit(self, wanted: Array, position: Array, dt_s: float, left_s: float = math.inf) -> tuple[Array, Cause]:
        """The velocity nearest to `wanted` that keeps every limit, and the limits that changed it."""
        cause = Cause.NONE
        slow = clamp(wanted, -self._top, self._top)
        if (slow != wanted).any():
            cause |= Cause.VELOCITY_LIMIT
        if left_s < self._longest_stop_s:
            top = self.limits.acceleration * max(0.0, left_s - self._smoothing_s) * (1.0 + SLACK)
            ending = clamp(slow, -top, top)
            if (ending != slow).any():
                slow, cause = ending, cause | Cause.BUDGET
        target = self.limits.brake(slow, position, self.limits.latency_s)
        step = self.limits.acceleration * dt_s
        ramped = clamp(target, self._velocity - step, self._velocity + step)
        if (ramped != target).any():
            cause |= Cause.ACCELERATION_LIMIT
        safe = ramped if self.limits.jerk is None else self._smooth(target, position, dt_s)
        if safe is not ramped and (safe != ramped).any():
            cause |= Cause.JERK_LIMIT
        braked = self.limits.brake(safe, position)
        if target is not slow or braked is not safe:
            cause |= Cause.POSITION_LIMIT if (target != slow).any() or (braked != safe).any() else Cause.NONE
        if self._workspace is not None:
            braked, left = self._fit(braked, position, dt_s)
            cause |= left
        self._told(braked, dt_s)
        return braked, cause

    def _smooth(self, target: Array, position: Array, dt_s: float) -> Array:
        """With a jerk limit: for each joint, as much of the way to `target` as leaves room for a smooth stop."""
        options = self._options(self.limits.track(self._velocity, self._acceleration, target, dt_s), dt_s)
        path = self.limits.stop(options, (options - self._velocity) / dt_s)
        fits = self.limits.stops_inside(options, path, position)
        fits[-1] = True
        return np.take_along_axis(options, fits.argmax(axis=0)[None], axis=0)[0]

    def _fit(self, wanted: Array, position: Array, dt_s: float) -> tuple[Array, Cause]:
        """As much of `wanted`, of the whole arm alike, as leaves room to stop within the workspace; else the stop."""
        assert self._workspace is not None
        cause = Cause.NONE
        for options in (wanted[None], self._options(wanted, dt_s)):
            verdict = self._workspace.judge(self._paths(options, position, dt_s)).reshape(2, 2, -1)
            inside, slow = verdict[0].all(axis=0), verdict[1].all(axis=0)
            fits = inside & slow
            if fits.any():
                return options[fits.argmax()], cause
            cause = (Cause.NONE if inside[0] else Cause.WORKSPACE) | (Cause.NONE if slow[0] else Cause.TIP_SPEED)
        return options[-1], cause

    def _options(self, wanted: Array, dt_s: float) -> Array:
        """From `wanted` in steps to the first velocity of a stop, (m, n). All keep the limits if these two do."""
        halt = self._halt(dt_s)
        return halt + SHARES * (wanted - halt)

    def _halt(self, dt_s: float) -> Array:
        """The first velocity of a stop; where the position limit needs it, a harder one than the acceleration limit."""
        slower = self.limits.track(self._velocity, self._acceleration, self._rest, dt_s)
        return slower if self._position is None else self.limits.brake(slower, self._position)

    def _paths(self, options: Array, position: Array, dt_s: float) -> Array:
        """Where the joints come to, period by period, if they stop after `options` (m, n): at once, and late.

        Gives (2 m, points, n), the stops at once first; the first point is `position`.
        """
        stop = self.limits.stop(options, (options - self._velocity) / dt_s)
        still, late = np.zeros((1, *options.shape)), [options[None]] * self._late_periods
        at_once = np.concatenate([still, options[None], stop, *[still] * self._late_periods])
        speeds = np.concatenate([at_once, np.concatenate([still, options[None], *late, stop])], axis=1)
        return position + np.moveaxis(np.cumsum(speeds, axis=0), 0, 1) * self._period_s

    def _told(self, velocity: Array, dt_s: float) -> None:
        if self.limits.jerk is not None:
            limit = self.limits.acceleration
            self._acceleration = clamp((velocity - self._velocity) / dt_s, -limit, limit)
        self._velocity = velocity
