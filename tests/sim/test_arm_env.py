"""The environment: Gymnasium's own checker, and what it says about itself."""

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.task import make_spec

TASKS = {
    "joint_velocity": {},
    "ee_velocity": {"action": "ee_velocity"},
    "gridworld": {"kind": "gridworld"},
    "slippery": {"kind": "gridworld", "slip": 0.3},
}


@pytest.fixture(params=TASKS)
def env(request):
    values = TASKS[request.param]
    if values.get("kind") != "gridworld":
        pytest.importorskip("pybullet", reason="PyBullet is not installed")
    env = make_env(make_spec(values), seed=0)
    yield env
    env.close()


def test_gymnasium_finds_nothing_to_complain_about(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)


def test_a_random_episode_stays_in_the_observation_space_and_is_truncated_at_its_end(env):
    env.action_space.seed(1)
    env.reset(seed=1)
    ends = []
    for _ in range(env.task_spec.episode_steps):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        ends.append((terminated, truncated))
    assert ends == [(False, False)] * (env.task_spec.episode_steps - 1) + [(False, True)]


def test_the_same_seed_gives_the_same_episode_to_the_last_bit_whatever_came_before(env):
    env.action_space.seed(2)
    actions = [env.action_space.sample() for _ in range(30)]

    def episode():
        first, _ = env.reset(seed=7)
        return np.array([first, *(env.step(action)[0] for action in actions)])

    once = episode()
    np.testing.assert_array_equal(once, episode())


def test_reset_takes_goal_and_joint_position_and_info_says_them(env):
    home = env.task.home
    goal = env.task.achieved_goal(home)
    _, info = env.reset(options={"goal": goal, "joint_position": home})
    np.testing.assert_array_equal(info["goal"], goal)
    np.testing.assert_allclose(info["joint_position"], home, atol=1e-12)
    assert info["distance"] == pytest.approx(0.0, abs=1e-9)
    assert info["is_success"]


def test_goals_of_different_seeds_differ_and_lie_in_the_box():
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    env = make_env(make_spec({"goal_low": [0.4, -0.1, 0.2], "goal_high": [0.5, 0.1, 0.3]}))
    goals = np.array([env.reset(seed=seed)[1]["goal"] for seed in range(20)])
    env.close()
    assert len(np.unique(goals[:, 0])) == 20
    assert (goals >= (0.4, -0.1, 0.2)).all() and (goals <= (0.5, 0.1, 0.3)).all()


def test_an_end_effector_velocity_moves_the_end_effector_that_way():
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    env = make_env(make_spec({"action": "ee_velocity"}))
    _, info = env.reset()
    before = env.task.achieved_goal(info["joint_position"])
    for _ in range(10):
        *_, info = env.step(np.array([0.0, 0.2, 0.0], dtype=np.float32))
    moved = env.task.achieved_goal(info["joint_position"]) - before
    env.close()
    # 0.2 m/s for 0.5 s; the damped inverse gives up a few per cent of the speed.
    np.testing.assert_allclose(moved, [0.0, 0.1, 0.0], atol=0.012)
