"""An obstacle of the task: geometry by hand, the guard keeps out whatever is asked, PyBullet feels no touch."""

import numpy as np
import pytest

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Cause, Guard
from turn_rl_ros.core.obstacle import SPACING_M, Obstacle, line_weights, obstacle_of
from turn_rl_ros.core.robot import KinematicChain
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec, make_task

pytest.importorskip("pybullet", reason="PyBullet is not installed")
from sim.bullet import PyBulletArm
from sim.env import ArmEnv

PERIOD_S, PERIOD_NS = 0.05, 50_000_000


@pytest.fixture(scope="module")
def spec():
    return make_spec(scenario_section(scenario_file("panda_obstacle"), "arm", "task"))


@pytest.fixture(scope="module")
def arm(spec):
    arm = PyBulletArm(spec)
    yield arm
    arm.close()


@pytest.fixture(scope="module")
def chain(spec):
    return KinematicChain.from_details(spec.details["chain"], spec.joint_names)


def test_the_gap_is_along_the_farthest_axis_and_counts_the_clearance():
    box = Obstacle(np.zeros(3), np.array([1.0, 2.0, 3.0]), 0.1)
    points = [[0.5, 1.0, 1.5], [1.3, 1.0, 1.5], [1.05, 2.4, 3.2], [-0.1, 0.0, 0.0]]
    # The middle is 0.5 deep; 0.3 beside x; 0.4 beside y, farther than 0.05 and 0.2; at the edge of the clearance.
    np.testing.assert_allclose(box.gap(np.array(points)), [-0.6, 0.2, 0.3, 0.0], atol=1e-12)


def test_the_line_goes_through_all_joints_to_the_tip_in_small_steps(chain):
    weights = line_weights(chain)
    q = np.random.default_rng(0).uniform(-1, 1, 7)
    line, places = weights @ chain.places(q), chain.places(q)
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    assert steps.max() <= SPACING_M + 1e-9
    assert steps.sum() == pytest.approx(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    np.testing.assert_allclose(line[-1], chain.position(q))


def test_no_posture_outside_the_clearance_touches_the_box(spec, arm, chain):
    """500 postures with the line within 0.1 m of the clearance: PyBullet's meshes never meet the box."""
    rng, weights, box = np.random.default_rng(1), line_weights(chain), obstacle_of(spec)
    low, high = np.array(spec.joint_low), np.array(spec.joint_high)
    near = touching = 0
    while near < 500:
        q = np.clip(arm.home + rng.normal(0, [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0]), low, high)
        gap = box.gap(weights @ chain.places(q)).min()
        if gap < 0.1:
            arm.reset(q)
            touching += arm.touches()
            assert gap < 0.0 or not arm.touches(), f"touches with {gap:.3f} m to spare"
            near += gap >= 0.0
    assert touching > 30, "the box is really there"


def test_whatever_is_asked_the_guard_keeps_the_line_out(spec, chain):
    weights, box = line_weights(chain), obstacle_of(spec)
    causes = Cause.NONE
    for seed in range(4):
        guard, rng = Guard(spec, GuardConfig()), np.random.default_rng(seed)
        position, before = np.array(spec.details["home"]), np.zeros(7)
        towards = np.array([1.5, 0.5, 0, -0.5, 0, 0, 0])
        for tick in range(1, 80):
            guard.observe(position, before, tick * PERIOD_NS)
            before, cause = guard.allow(towards + rng.normal(0, 1, 7), tick * PERIOD_NS)
            position, causes = position + PERIOD_S * before, causes | cause
            assert box.gap(weights @ chain.places(position)).min() >= -1e-6
    assert Cause.WORKSPACE in causes


def test_an_arm_within_the_clearance_may_leave_but_go_no_deeper(spec, chain):
    """Joint 1 turned to where the wall is: turning back is let through, turning on is not."""
    inside = np.array(spec.details["home"])
    inside[0] = -0.25
    box = obstacle_of(spec)
    assert box.gap(line_weights(chain) @ chain.places(inside)).min() < 0.0
    for speed, cause in ((-0.3, Cause.NONE), (0.3, Cause.WORKSPACE)):
        guard = Guard(spec, GuardConfig())
        guard.observe(inside, np.zeros(7), PERIOD_NS)
        assert guard.allow(np.array([speed, 0, 0, 0, 0, 0, 0]), PERIOD_NS)[1] == cause


def test_in_the_environment_a_policy_that_pushes_is_stopped_before_it_touches(spec, arm):
    env = ArmEnv(spec, arm)
    env.reset(seed=0, options={"goal": np.array([0.55, 0.3, 0.15])})
    for _ in range(50):
        *_, info = env.step(np.array([1.0, 0, 0, 0, 0, 0, 0], np.float32))
        assert not arm.touches()
    assert info["joint_position"][0] < -0.2, "the wall is at joint 1 = 0"


def test_goals_lie_where_the_end_effector_may_be(spec):
    task, box = make_task(spec), obstacle_of(spec)
    goals = np.array([task.sample_goal(rng) for rng in [np.random.default_rng(0)] for _ in range(500)])
    assert (box.gap(goals) >= 0.0).all()
    assert (goals[:, 1] < -0.18).any() and (goals[:, 1] > 0.18).any(), "on both sides of the wall"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obstacle_high": [0.3, 0.03, 0.12]}, "task.obstacle_low .* must lie below task.obstacle_high"),
        ({"obstacle_low": []}, "task.obstacle_low"),
        ({"obstacle_high": [0.8, 0.03, 0.9]}, "task.home lies within"),
        ({"goal_low": [0.5, -0.1, 0.1], "goal_high": [0.6, 0.1, 0.2]}, "no goal can be reached"),
    ],
)
def test_an_obstacle_that_leaves_no_room_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_spec({**scenario_section(scenario_file("panda_obstacle"), "arm", "task"), **changes})


def test_without_an_obstacle_the_spec_is_what_it_was():
    assert "obstacle" not in make_spec({}).details
