"""Box, speed and height of the Panda's end effector: ideal joints, any commands, and nothing goes out."""

import numpy as np
import pytest

from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Cause, Guard
from turn_rl_ros.core.robot import KinematicChain
from turn_rl_ros.core.task import make_spec

pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with PyBullet")
PERIOD_S, PERIOD_NS = 0.05, 50_000_000
HOME = np.array([0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79])
LOW, HIGH, SPEED, FLOOR = np.array([0.3, -0.3, 0.1]), np.array([0.75, 0.3, 0.7]), 0.6, 0.12


@pytest.fixture(scope="module")
def spec():
    return make_spec({"kind": "reach"})


@pytest.fixture(scope="module")
def chain(spec):
    return KinematicChain.from_details(spec.details["chain"], spec.joint_names)


def streams(rng, ticks):
    """Full speed, one way; reversals; noise: each joint its own."""
    kind = rng.integers(3, size=7)
    tick = np.arange(ticks)[:, None]
    one_way = np.broadcast_to(rng.choice([-3.0, 3.0], 7), (ticks, 7))
    reversals = np.where((tick // rng.integers(1, 10, 7)) % 2, 3.0, -3.0)
    return np.choose(kind, [one_way, reversals, rng.normal(0, 1.5, (ticks, 7))])


@pytest.mark.parametrize("jerk", [0.0, 200.0])
def test_whatever_is_asked_the_end_effector_stays_in_its_box_below_its_speed_and_above_the_floor(spec, chain, jerk):
    config = GuardConfig(box_low=tuple(LOW), box_high=tuple(HIGH), max_tip_speed=SPEED, min_height=FLOOR, max_jerk=jerk)
    causes = Cause.NONE
    for seed in range(20):
        guard, rng = Guard(spec, config), np.random.default_rng(seed)
        position, before = HOME.copy(), np.zeros(7)
        for tick, wanted in enumerate(streams(rng, 60), start=1):
            guard.observe(position, before, tick * PERIOD_NS)
            command, cause = guard.allow(wanted, tick * PERIOD_NS)
            assert (np.abs(command - before) <= 20.0 * PERIOD_S + 1e-9).all()
            after = position + PERIOD_S * command
            tip, heights = chain.position(after), chain.places(after)[:, 2]
            assert (tip >= LOW - 1e-6).all() and (tip <= HIGH + 1e-6).all()
            assert heights.min() >= FLOOR - 1e-6
            assert np.linalg.norm(tip - chain.position(position)) <= SPEED * PERIOD_S + 1e-6
            position, before, causes = after, command, causes | cause
    assert Cause.WORKSPACE in causes and Cause.TIP_SPEED in causes


def test_within_the_workspace_a_command_passes_unchanged(spec):
    guard = Guard(spec, GuardConfig(box_low=tuple(LOW), box_high=tuple(HIGH), max_tip_speed=SPEED))
    guard.observe(HOME, np.zeros(7), PERIOD_NS)
    wanted = np.array([0.3, 0.1, 0.0, 0.0, 0.0, 0.2, 0.5])
    command, cause = guard.allow(wanted, PERIOD_NS)
    assert cause == Cause.NONE
    np.testing.assert_array_equal(command, wanted)


def test_an_arm_that_starts_outside_may_come_back_but_go_no_further(spec, chain):
    """The home position is 0.6 m from the base, the box ends at 0.5 m: joint 4 alone moves the tip in or out."""
    guard = Guard(spec, GuardConfig(box_high=(0.5, 1.0, 1.0), box_low=(0.0, -1.0, 0.0)))
    x, way = chain.position(HOME)[0], chain.jacobian(HOME)[0, 3]
    assert x > 0.5
    inwards = np.array([0, 0, 0, -np.sign(way) * 0.3, 0, 0, 0])
    guard.observe(HOME, np.zeros(7), PERIOD_NS)
    assert guard.allow(-inwards, PERIOD_NS)[1] == Cause.WORKSPACE
    guard.observe(HOME, np.zeros(7), 2 * PERIOD_NS)
    assert guard.allow(inwards, 2 * PERIOD_NS)[1] == Cause.NONE


def test_places_end_at_the_end_effector_and_begin_at_joint_1_which_no_joint_moves(chain):
    """Joint 1 of the Panda is 0.333 m above its base."""
    for seed in range(3):
        q = np.random.default_rng(seed).uniform(-1, 1, 7)
        places = chain.places(q)
        np.testing.assert_allclose(places[0], [0.0, 0.0, 0.333], atol=1e-9)
        np.testing.assert_allclose(places[-1], chain.position(q), atol=1e-12)
