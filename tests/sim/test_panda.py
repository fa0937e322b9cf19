"""The PyBullet Panda does what its commands and the URDF say."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet is not installed")

from sim.bullet import PyBulletArm
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.task import make_spec, make_task

PERIOD_S = 0.05


@pytest.fixture(scope="module")
def spec():
    return make_spec({})


@pytest.fixture
def panda(spec):
    arm = PyBulletArm(spec)
    yield arm
    arm.close()


def test_our_forward_kinematics_are_those_of_pybullet(panda, spec):
    task = make_task(spec)
    tip_joint = spec.details["chain"][-1]["joint"]
    assert tip_joint == "panda_grasptarget_hand"
    for angles in np.random.default_rng(0).uniform(spec.joint_low, spec.joint_high, (100, 7)):
        panda.reset(angles)
        np.testing.assert_allclose(task.achieved_goal(angles), panda.link_position(tip_joint), atol=1e-6)


@pytest.mark.parametrize("joint", range(7))
def test_a_velocity_command_moves_its_joint_by_velocity_times_time_and_no_other(panda, joint):
    command = np.zeros(7)
    command[joint] = 0.4
    start = panda.state()[0]
    for _ in range(10):
        panda.step(command, "velocity", PERIOD_S)
    position, velocity, _ = panda.state()
    # 0.4 rad/s for 0.5 s.
    np.testing.assert_allclose(position - start, 0.5 * command, atol=0.005)
    np.testing.assert_allclose(velocity, command, atol=0.005)


def test_zero_velocity_holds_still(panda):
    start = panda.state()[0]
    for _ in range(40):
        panda.step(np.zeros(7), "velocity", PERIOD_S)
    np.testing.assert_allclose(panda.state()[0], start, atol=1e-4)


def test_a_position_command_is_reached_and_held(panda):
    target = panda.home + np.array([0.2, -0.1, 0.1, 0.2, -0.2, -0.1, 0.2])
    for _ in range(40):
        panda.step(target, "position", PERIOD_S)
    position, velocity, _ = panda.state()
    np.testing.assert_allclose(position, target, atol=1e-3)
    np.testing.assert_allclose(velocity, 0.0, atol=1e-3)


def test_a_far_position_is_approached_no_faster_than_the_urdf_allows(panda, spec):
    fastest = np.zeros(7)
    for _ in range(20):
        panda.step(panda.home + np.array([2.0, 0, 0, 0, 0, 0, -2.0]), "position", PERIOD_S)
        fastest = np.maximum(fastest, np.abs(panda.state()[1]))
    assert fastest[0] > 1.0
    assert (fastest <= np.array(spec.joint_velocity) * 1.3).all()


def test_a_rate_that_does_not_divide_240_hz_still_fills_its_period(panda):
    command = np.full(7, 0.2)
    start = panda.state()[0]
    for _ in range(27):
        panda.step(command, "velocity", 1 / 27)  # 8.9 physics steps at 240 Hz
    np.testing.assert_allclose(panda.state()[0] - start, 0.2, atol=0.005)


def test_two_arms_are_two_worlds(spec, panda):
    other = PyBulletArm(spec)
    other.step(np.full(7, 0.5), "velocity", PERIOD_S)
    other.close()
    np.testing.assert_allclose(panda.state()[0], panda.home, atol=1e-12)


def test_a_wrong_joint_name_is_named(spec):
    wrong = replace(spec, joint_names=("elbow", *spec.joint_names[1:]))
    with pytest.raises(TurnRlError, match=r"no joint 'elbow'; it has .*panda_joint1"):
        PyBulletArm(wrong)


def test_another_robots_description_is_refused(spec):
    wrong = replace(spec, details={**spec.details, "robot_description_sha256": "0" * 64})
    with pytest.raises(TurnRlError, match=r"task\.urdf is not a simulated arm; .*kuka_iiwa"):
        PyBulletArm(wrong)


def test_an_interface_it_does_not_have_is_refused(panda):
    with pytest.raises(TurnRlError, match="not 'effort'"):
        panda.step(np.zeros(7), "effort", PERIOD_S)
