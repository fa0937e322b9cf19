"""The KUKA iiwa: limits as its URDF has them, kinematics as PyBullet has them."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet is not installed")
import pybullet_data

from sim.bullet import PyBulletArm
from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.limits import JointLimits
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec, make_task

URDF = Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf"
SCENARIO = scenario_file("iiwa")


@pytest.fixture(scope="module")
def spec():
    return make_spec(scenario_section(SCENARIO, "arm", "task"))


@pytest.fixture
def arm(spec):
    arm = PyBulletArm(spec)
    yield arm
    arm.close()


def test_the_guards_limits_are_the_urdfs_less_margin_and_its_speeds_the_data_sheets(spec):
    """Read with a regular expression, joint by joint; A1 to A7 of the LBR iiwa 14 R820 in deg/s."""
    found = re.findall(r'<limit effort="300" lower="(-?[\d.]+)" upper="(-?[\d.]+)" velocity="10"/>', URDF.read_text())
    low, high = np.array(found, float).T
    assert len(low) == 7
    values = {name: value for name, value in scenario_section(SCENARIO, "guard").items() if name != "use_sim_time"}
    limits = JointLimits(spec, from_mapping(GuardConfig, values))
    np.testing.assert_allclose(limits.low, low + 0.05)
    np.testing.assert_allclose(limits.high, high - 0.05)
    np.testing.assert_allclose(limits.velocity, np.radians([85, 85, 100, 75, 130, 135, 135]), atol=2e-3)
    assert (limits.velocity <= np.radians([85, 85, 100, 75, 130, 135, 135])).all()


def test_stretched_out_it_is_1261_mm_high(spec):
    """360 + 420 + 400 + 81 mm: base to shoulder, upper arm, forearm, wrist to flange."""
    np.testing.assert_allclose(make_task(spec).achieved_goal(np.zeros(7)), [0.0, 0.0, 1.261], atol=1e-6)


def test_our_forward_kinematics_are_those_of_pybullet(arm, spec):
    task = make_task(spec)
    for angles in np.random.default_rng(0).uniform(spec.joint_low, spec.joint_high, (50, 7)):
        arm.reset(angles)
        np.testing.assert_allclose(task.achieved_goal(angles), arm.link_position("lbr_iiwa_joint_7"), atol=1e-6)


def test_every_corner_of_the_goal_box_can_be_reached(spec):
    """From home by Newton's steps on the distance, within the joint limits."""
    task = make_task(spec)
    low, high = (
        scenario_section(SCENARIO, "arm", "task")["goal_low"],
        scenario_section(SCENARIO, "arm", "task")["goal_high"],
    )
    for corner in np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T:
        angles = task.home.copy()
        for _ in range(50):
            gap = corner - task.achieved_goal(angles)
            angles = np.clip(
                angles + np.linalg.pinv(task.chain.jacobian(angles)) @ gap, spec.joint_low, spec.joint_high
            )
        assert task.distance(angles, corner) < 1e-3


def test_a_velocity_command_moves_it_by_velocity_times_time(arm):
    start, command = arm.state()[0], np.linspace(-0.4, 0.4, 7)
    for _ in range(10):
        arm.step(command, "velocity", 0.05)
    np.testing.assert_allclose(arm.state()[0] - start, 0.5 * command, atol=0.005)
