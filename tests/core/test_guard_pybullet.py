"""The guard in front of PyBullet's Panda: joints with torque and inertia, that do not just obey."""

import numpy as np
import pytest

from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.task import make_spec

pytest.importorskip("pybullet", reason="PyBullet is not installed")
from sim.bullet import PyBulletArm

PERIOD_S, PERIOD_NS, ACCELERATION = 0.05, 50_000_000, 20.0


@pytest.fixture(scope="module")
def spec():
    return make_spec({"kind": "reach"})


@pytest.fixture(scope="module")
def arm(spec):
    arm = PyBulletArm(spec)
    yield arm
    arm.close()


def play(arm, spec, guard, commands, start):
    """Commands (ticks, n) through guard and arm; positions and velocities (ticks, n) that came of it. None: silence."""
    arm.reset(start)
    told, positions, velocities = np.zeros(7), [], []
    for tick, wanted in enumerate(commands, start=1):
        position, velocity, _ = arm.state()
        guard.observe(position, velocity, tick * PERIOD_NS)
        told = guard.hold() if guard.silent else (guard.overdue(0.0) or (told,))[0]
        if wanted is not None:
            told, _ = guard.allow(wanted, tick * PERIOD_NS)
        arm.step(told, "velocity", PERIOD_S)
        position, velocity, _ = arm.state()
        positions.append(position)
        velocities.append(velocity)
    return np.array(positions), np.array(velocities)


def stream(rng, ticks):
    """Full speed to one side, reversals at full speed, noise, rubbish; with stretches of silence."""
    kind = rng.integers(3, size=7)
    tick = np.arange(ticks)[:, None]
    one_way = np.broadcast_to(rng.choice([-9.0, 9.0], 7), (ticks, 7))
    reversals = np.where((tick // rng.integers(1, 12, 7)) % 2, 9.0, -9.0)
    commands = list(np.choose(kind, [one_way, reversals, rng.normal(0, 3, (ticks, 7))]))
    for index in np.flatnonzero(rng.random(ticks) < 0.05):
        commands[index] = rng.choice([np.nan, np.inf, 5e-324]) * np.ones(7)
    for index in np.flatnonzero(rng.random(ticks) < 0.03):
        commands[index : index + 6] = [None] * len(commands[index : index + 6])
    return commands


@pytest.mark.parametrize("jerk", [0.0, 400.0])
def test_the_arm_never_leaves_its_limits_whatever_is_asked(spec, arm, jerk):
    """30 streams of 4 s from anywhere, with 0.05 rad of margin; position and velocity of every joint, at every tick."""
    low, high, top = np.array(spec.joint_low), np.array(spec.joint_high), np.array(spec.joint_velocity)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        guard = Guard(spec, GuardConfig(max_jerk=jerk))
        positions, velocities = play(arm, spec, guard, stream(rng, 80), rng.uniform(low + 0.05, high - 0.05))
        assert (positions >= low).all() and (positions <= high).all()
        assert (np.abs(velocities) <= 1.02 * top).all(), "2 % for the motor model"


def test_start_and_resume_do_not_jump(spec, arm):
    """From rest, then a silence that holds the arm, then on: never more than the acceleration limit, measured."""
    guard = Guard(spec, GuardConfig(max_acceleration=ACCELERATION))
    full = [np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0])] * 10
    _, velocities = play(arm, spec, guard, [*full, *[None] * 10, *full], arm.home)
    accelerations = np.diff(np.vstack([np.zeros(7), velocities]), axis=0) / PERIOD_S
    assert np.abs(velocities[18]).max() < 1e-3, "held"
    assert np.abs(velocities[-1]).max() > 0.9, "and on its way again"
    assert np.abs(accelerations).max() <= 1.05 * ACCELERATION


def test_a_guard_that_takes_over_a_moving_arm_does_not_jerk_it(spec, arm):
    """The arm moves at 1 rad/s when the guard sees it first: it slows down within the limit instead of standing."""
    arm.reset()
    for _ in range(5):
        arm.step(np.full(7, 0.8), "velocity", PERIOD_S)
    guard = Guard(spec, GuardConfig(max_acceleration=4.0))
    speeds = []
    for tick in range(1, 8):
        position, velocity, _ = arm.state()
        speeds.append(velocity[0])
        guard.observe(position, velocity, tick * PERIOD_NS)
        arm.step(guard.hold(), "velocity", PERIOD_S)
    assert speeds[0] == pytest.approx(0.8, abs=0.02)
    assert np.abs(np.diff(speeds)).max() <= 1.05 * 4.0 * PERIOD_S
    assert abs(speeds[-1]) < 0.01
