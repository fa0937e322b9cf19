from itertools import pairwise

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import EXPLORING, POLICY, RANDOM, make_behaviour
from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.memory import Memory
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.core.task.grid import MOVES

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


def at(row, column):
    return np.array([row, column], np.float32)


UP, DOWN, LEFT, RIGHT = 1, 2, 3, 4


def searching(memory=None, **config):
    """A grid's search in the first episode, whose policy carries a memory."""
    policy = Always(np.array(0))
    policy.memory = memory
    behaviour = grid_behaviour(policy, random_share=0.0, policy_share=0.0, search_share=1.0, **config)
    behaviour.begin(0)
    return behaviour


def tally(*moves):
    """Memory of moves ((row, column), action, (row, column), reward)."""
    index = [[20 * cell[0] + cell[1] for cell in (move[0], move[2])] for move in moves]
    state, following = np.array(index).T
    actions, rewards = np.array([move[1] for move in moves]), np.array([move[3] for move in moves], float)
    return Memory.tally((20, 20), 5, state, actions, following, rewards)


def test_a_search_goes_straight_on_into_the_unknown():
    """Every cell that it comes to is new, and so is what lies ahead; to the right of (2, 8) are ten free cells."""
    behaviour, here, taken = searching(), at(2, 8), []
    for _ in range(4):
        action, mode = behaviour.act(here)
        taken.append(int(action))
        here = here + MOVES[int(action)].astype(np.float32)
        assert mode == EXPLORING
    assert taken[0] != 0 and len(set(taken)) == 1


def test_a_search_goes_by_moves_that_worked_to_the_nearest_move_that_aims_at_a_new_cell():
    """Around (2, 8) all is known but what lies beyond (2, 10): two moves right, then up, down or right."""
    ways = [((2, 8), move, (2, 8), 0) for move in (0, UP, DOWN, LEFT)] + [((2, 8), RIGHT, (2, 9), 0)]
    ways += [((2, 9), move, (2, 9), 0) for move in (0, UP, DOWN)] + [((2, 9), LEFT, (2, 8), 0)]
    behaviour = searching(tally(*ways, ((2, 9), RIGHT, (2, 10), 0)))
    taken = [int(behaviour.act(at(2, column))[0]) for column in (8, 9, 10)]
    assert taken[:2] == [RIGHT, RIGHT] and taken[2] == RIGHT


def test_a_search_first_tries_what_was_never_tried_where_it_pays():
    """(2, 9) paid on arrival: it goes there although new cells are nearer, and tries what is left there."""
    left = [((2, 9), move, (2, 9), 0) for move in (UP, DOWN, RIGHT)] + [((2, 9), LEFT, (2, 8), 0)]
    behaviour = searching(tally(((2, 8), RIGHT, (2, 9), 1), *left))
    assert [int(behaviour.act(at(2, column))[0]) for column in (8, 9)] == [RIGHT, 0]


def test_without_foresight_all_untried_moves_are_alike():
    behaviour = searching(tally(((0, 0), RIGHT, (0, 1), 0)), foresight=False)
    others = [int(behaviour.act(at(0, 0))[0]) for _ in range(4)]
    assert sorted(others) == [0, UP, DOWN, LEFT]


def test_the_way_home_is_no_move():
    explorer = searching()._explorer
    explorer.remember(at(2, 10), np.array(RIGHT))
    explorer.begin()
    explorer.remember(at(2, 8), np.array(0))
    assert explorer._known.leads_to == [[-1] * 5] * 2


def test_a_memory_of_another_grid_is_refused():
    with pytest.raises(PolicyRejected, match="tried"):
        Memory.read(tally(((2, 8), RIGHT, (2, 9), 1)).arrays(), (10, 10), 5)


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
