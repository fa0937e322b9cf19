from itertools import pairwise

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import HOMING, RANDOM, make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec


def session(values, steps, **config):
    env = make_env(make_spec(values))
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0))
    return env, run_session(env, behaviour, steps, PilotConfig(**config))


def test_every_row_starts_where_the_one_before_ended():
    env, rows = session({"kind": "gridworld", "episode_steps": 50}, 120)
    for before, after in pairwise(rows):
        if before.episode == after.episode:
            np.testing.assert_array_equal(before.next_observation, after.observation)
            assert after.step == before.step + 1
    firsts = [row for row in rows if row.step == 0]
    assert len(firsts) == 3
    for row in firsts:
        np.testing.assert_array_equal(row.observation, env.task.world.start)


def test_episodes_end_by_the_clock_and_are_truncated():
    _, rows = session({"kind": "gridworld", "episode_steps": 50}, 120)
    assert [row.step for row in rows if row.truncated] == [49, 49, rows[-1].step]
    assert not any(row.terminated for row in rows)


def test_the_way_home_is_recorded_and_costs_ticks():
    pytest.importorskip("pybullet")
    env, rows = session({"kind": "reach"}, 200, home_every=1)
    assert len(rows) == 200
    homing = [row for row in rows if row.behaviour == HOMING]
    assert homing
    assert max(np.abs(row.action).max() for row in homing) <= 1.0
    second = next(row for row in rows if row.episode > 0 and row.behaviour == RANDOM)
    assert np.abs(second.joint_position - env.task.home).max() <= 0.05 + 1e-9


def test_without_homing_the_arm_carries_on_from_where_it_is():
    pytest.importorskip("pybullet")
    _, rows = session({"kind": "reach"}, 120, home_every=0)
    assert {row.behaviour for row in rows} == {RANDOM}
    np.testing.assert_array_equal(rows[49].next_joint_position, rows[50].joint_position)
