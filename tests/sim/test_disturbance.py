"""A disturbed arm answers the same commands otherwise than the one of the URDF, and as its parameters say."""

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet is not installed")

from sim import make_arm, make_env
from sim.bullet import PyBulletArm
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.task import make_spec

SPEC = make_spec({})


def answer(speed=1.0, steps=4, interface="velocity", **changes):
    """Velocity of joint 2 after each of `steps` periods of 50 ms under one command, and its last effort."""
    arm = PyBulletArm(SPEC, Disturbance(**changes))
    command = arm.home * (interface == "position")
    command[1] += speed
    velocities = []
    for _ in range(steps):
        arm.step(command, interface, 0.05)
        velocities.append(arm.state()[1][1])
    effort = arm.state()[2][1]
    arm.close()
    return np.array(velocities), effort


def test_undisturbed_is_the_arm_without_a_disturbance():
    arm = PyBulletArm(SPEC)
    arm.step(np.full(7, 0.3), "velocity", 0.05)
    other = make_arm(SPEC, 0, Disturbance())
    other.step(np.full(7, 0.3), "velocity", 0.05)
    for ours, theirs in zip(arm.state(), other.state(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    arm.close()
    other.close()


def test_a_gain_is_the_share_of_the_command_that_becomes_velocity():
    np.testing.assert_allclose(answer()[0], 1.0, atol=0.005)
    np.testing.assert_allclose(answer(velocity_gain=0.7)[0], 0.7, atol=0.005)


@pytest.mark.parametrize("interface", ["velocity", "position"])
def test_latency_is_the_same_answer_so_many_periods_later(interface):
    late, at_once = answer(interface=interface, latency_steps=2)[0], answer(interface=interface)[0]
    np.testing.assert_allclose(late[:2], 0.0, atol=1e-4)
    np.testing.assert_allclose(late[2:], at_once[:2], atol=1e-3)


def test_what_was_under_way_is_forgotten_at_a_reset():
    arm = PyBulletArm(SPEC, Disturbance(latency_steps=1))
    arm.step(np.full(7, 0.5), "velocity", 0.05)
    arm.reset()
    arm.step(np.zeros(7), "velocity", 0.05)
    np.testing.assert_allclose(arm.state()[1], 0.0, atol=1e-4)
    arm.close()


def test_more_mass_or_less_torque_delays_a_motor_at_its_limit():
    """Acceleration is torque over inertia: 1.3 times the mass and 1 / 1.3 of the torque come to the same."""
    undisturbed, heavy, weak = answer(2.0)[0], answer(2.0, mass_scale=1.3)[0], answer(2.0, torque_scale=1 / 1.3)[0]
    assert undisturbed[0] == pytest.approx(2.0, abs=0.01)
    assert 1.2 < heavy[0] < 1.8
    assert heavy[0] == pytest.approx(weak[0], abs=0.05)
    np.testing.assert_allclose([heavy[-1], weak[-1]], 2.0, atol=0.01)


def test_damping_costs_torque_in_proportion_to_the_velocity():
    """13 N m s/rad at 1 rad/s: 13 N m more than without."""
    assert answer(joint_damping=13.0)[1] - answer()[1] == pytest.approx(13.0, abs=0.1)


def test_a_grid_has_no_dynamics_to_change():
    for make in (make_arm, make_env):
        with pytest.raises(TurnRlError, match="no joint dynamics"):
            make(make_spec({"kind": "gridworld"}), 0, Disturbance(mass_scale=2.0))
