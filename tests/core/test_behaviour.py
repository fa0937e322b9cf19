from itertools import pairwise

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import EXPLORING, POLICY, RANDOM, make_behaviour
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.task import make_spec, make_task

GRID = {"kind": "gridworld"}


class Always:
    """A policy with one answer."""

    def __init__(self, action):
        self.action = action

    def act(self, observation):
        return self.action


def grid_behaviour(policy, seed=0, **config):
    return make_behaviour(make_task(make_spec(GRID)), BehaviourConfig(**config), policy, np.random.default_rng(seed))


def test_without_a_policy_all_is_random():
    behaviour = grid_behaviour(None, random_share=0.0)
    behaviour.begin(0)
    assert {behaviour.act(np.zeros(2, np.float32))[1] for _ in range(20)} == {RANDOM}


def test_episodes_are_mixed_in_the_configured_shares():
    behaviour = grid_behaviour(Always(np.array(0)), random_share=0.2, policy_share=0.5)
    modes = []
    for episode in range(2000):
        behaviour.begin(episode)
        modes.append(behaviour.act(np.zeros(2, np.float32))[1])
    assert np.bincount(modes, minlength=3)[:3] / 2000 == pytest.approx([0.2, 0.5, 0.3], abs=0.04)


def test_the_policy_alone_is_the_policy_alone():
    behaviour = grid_behaviour(Always(np.array(4)), random_share=0.0, policy_share=1.0)
    behaviour.begin(0)
    assert [behaviour.act(np.zeros(2, np.float32)) for _ in range(3)] == [(np.array(4), POLICY)] * 3


def test_a_search_walks_to_the_cell_it_has_seen_least_by_moves_that_worked():
    behaviour = grid_behaviour(Always(np.array(0)), random_share=0.0, policy_share=0.0, search_share=1.0, walk_steps=1)
    explorer = behaviour._explorer
    right, stay = 4, 0
    # An earlier episode went (2, 8) -> (2, 9) -> (2, 10), and stood in the first two for long.
    for column in (8, 9):
        for _ in range(5):
            explorer.remember(np.array([2, column], np.float32), np.array(stay))
        explorer.remember(np.array([2, column], np.float32), np.array(right))
    explorer.remember(np.array([2, 10], np.float32), np.array(stay))
    behaviour.begin(1)
    first = behaviour.act(np.array([2, 8], np.float32))
    second = behaviour.act(np.array([2, 9], np.float32))
    assert [(int(action), mode) for action, mode in (first, second)] == [(right, EXPLORING)] * 2


def test_what_a_search_knows_ends_with_the_episode_that_was_cut():
    explorer = grid_behaviour(None)._explorer
    explorer.remember(np.array([2, 8], np.float32), np.array(4))
    explorer.begin()
    explorer.remember(np.array([2, 8], np.float32), np.array(0))
    assert explorer._moves == {}, "the way home is no move"


@pytest.fixture
def reach():
    pytest.importorskip("pybullet_data")
    return make_task(make_spec({"kind": "reach"}))


def test_random_motion_without_pull_is_uniform_and_alike_between_ticks(reach):
    config = BehaviourConfig(pull=0.0, random_time_s=0.5)
    behaviour = make_behaviour(reach, config, None, np.random.default_rng(0))
    observation = np.zeros(20, np.float32)
    actions = []
    for episode in range(400):
        behaviour.begin(episode)
        actions.append([behaviour.act(observation)[0] for _ in range(2)])
    first, second = np.array(actions)[:, 0].ravel(), np.array(actions)[:, 1].ravel()
    assert np.quantile(first, [0.1, 0.5, 0.9]) == pytest.approx([-0.8, 0.0, 0.8], abs=0.06)
    # The Gaussian underneath keeps exp(-0.05 / 0.5) = 0.905 of itself; its uniform image 6 / pi asin(0.905 / 2) of it.
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.9048 / 2), abs=0.03)


def test_actions_stay_within_the_bounds_and_repeat_with_the_seed(reach):
    streams = []
    for _ in range(2):
        config = BehaviourConfig(noise=2.0, random_share=0.5, policy_share=0.0)
        policy = Always(np.full(7, 0.9, np.float32))
        behaviour = make_behaviour(reach, config, policy, np.random.default_rng(5))
        stream = []
        for episode in range(6):
            behaviour.begin(episode)
            stream += [behaviour.act(np.zeros(20, np.float32))[0] for _ in range(10)]
        streams.append(np.array(stream))
    assert np.abs(streams[0]).max() <= 1.0
    assert streams[0].dtype == np.float32
    np.testing.assert_array_equal(*streams)


def test_the_pull_keeps_a_joint_near_home(reach):
    behaviour = make_behaviour(reach, BehaviourConfig(random_reach=0.0, pull=5.0), None, np.random.default_rng(0))
    behaviour.begin(0)
    far = np.zeros(20, np.float32)
    far[:7] = reach.home + 1.0
    assert behaviour.act(far)[0] == pytest.approx([-1.0] * 7)


def test_neighbouring_modes_do_not_leak_between_episodes():
    behaviour = grid_behaviour(Always(np.array(0)), random_share=0.5, policy_share=0.5)
    modes = []
    for episode in range(40):
        behaviour.begin(episode)
        modes.append([behaviour.act(np.zeros(2, np.float32))[1] for _ in range(3)])
    assert all(len(set(episode)) == 1 for episode in modes)
    assert any(a[0] != b[0] for a, b in pairwise(modes))
