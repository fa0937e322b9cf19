"""Off-policy estimates against values worked out exactly."""

import numpy as np
import pytest
import torch

from tests.learn.conftest import row
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.select import take
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.selection.fqe import Estimates, estimate_values
from turn_rl_ros.learn.selection.wis import random_walk_probability, weighted_importance

TABULAR = TrainerConfig(one_hot=True, width=0)
STAY, UP, DOWN, LEFT, RIGHT = range(5)
SHIFT = np.array([0, 0, 0, -1, 1])
SLIP = 0.3
DISCOUNT = 0.8


class Table:
    """Acts by column."""

    def __init__(self, *actions):
        self.actions = actions

    def act(self, observation):
        return np.array(self.actions[round(float(observation[1]))])


@pytest.fixture
def slippery(tmp_path):
    path = tmp_path / "corridor.txt"
    path.write_text("SOOR\n")
    return make_spec({"kind": "gridworld", "world": str(path), "episode_steps": 8, "slip": SLIP})


def moved(column, action, draw):
    """One step: `draw` in [0, 1) below the slip goes to one of four directions, of which two are into the walls."""
    if action != STAY and draw < SLIP:
        action = 1 + int(draw / SLIP * 4)
    return int(np.clip(column + SHIFT[action], 0, 3))


def episodes(spec, count, seed):
    """Uniform random moves from S, as a dataset."""
    task, rng, rows = make_task(spec), np.random.default_rng(seed), []
    goal, still = task.sample_goal(rng), np.zeros(2)
    for episode in range(count):
        column = 0
        for step in range(spec.episode_steps):
            action = int(rng.integers(5))
            after = moved(column, action, rng.random())
            before, then = np.array([0.0, 0.1 * column]), np.array([0.0, 0.1 * after])
            rows.append(row(task, (before, still), np.array(action), (then, still), goal, episode, step, step == 7))
            column = after
    return Dataset.from_transitions(rows, spec)


def exact(policy):
    """V = (I - discount P)^-1 r by linear algebra, at S; the reward is the chance to be in R after the step."""
    model = np.zeros((4, 4))
    for column in range(4):
        action = policy.actions[column]
        slips = [] if action == STAY else [(move, SLIP / 4) for move in range(1, 5)]
        for real, chance in [(action, 1 - SLIP if slips else 1.0), *slips]:
            model[column, np.clip(column + SHIFT[real], 0, 3)] += chance
    return np.linalg.solve(np.eye(4) - DISCOUNT * model, model[:, 3])[0]


POLICIES = [Table(RIGHT, RIGHT, RIGHT, STAY), Table(RIGHT, RIGHT, RIGHT, RIGHT), Table(RIGHT, LEFT, RIGHT, STAY)]


def test_tabular_estimates_are_the_exact_values(slippery):
    data = episodes(slippery, 4000, seed=0)
    found = estimate_values(data, POLICIES, TABULAR, discount=DISCOUNT, steps=1, resamples=0)
    np.testing.assert_allclose(found.values[:, 0], [exact(policy) for policy in POLICIES], atol=0.03)


def test_tabular_estimates_of_every_move_seen_once_are_exact(corridor_data):
    # Discount 1/2, S O R: right, right, stay earns 0 + 1/2 + 1/4 + ... = 1; staying earns nothing.
    policies = [Table(RIGHT, RIGHT, STAY), Table(STAY, STAY, STAY)]
    found = estimate_values(corridor_data, policies, TABULAR, discount=0.5, steps=1, resamples=0)
    # Every row is an episode of its own, so the starts are all three cells: (1 + 2 + 2) / 3 and (0 + 0 + 2) / 3.
    np.testing.assert_allclose(found.values[:, 0], [5 / 3, 2 / 3], atol=1e-3)


def test_a_pair_that_was_never_tried_counts_for_nothing(slippery):
    data = episodes(slippery, 300, seed=0)
    keep = ~((data.observations[:, 1] == 0) & (data.actions == RIGHT))
    found = estimate_values(take(data, keep), POLICIES[:1], TABULAR, discount=DISCOUNT, steps=1, resamples=0)
    assert found.values[0, 0] == 0.0


def test_intervals_cover_the_exact_value(slippery):
    data, truth, hits = episodes(slippery, 6000, seed=2), exact(POLICIES[0]), 0
    for part in range(60):  # each its own hundred episodes
        mine = take(data, data.episode // 100 == part)
        found = estimate_values(mine, POLICIES[:1], TABULAR, discount=DISCOUNT, steps=1, resamples=25, confidence=0.9)
        hits += found.of(0).low <= truth <= found.of(0).high
    assert 47 <= hits <= 59  # 54 expected; 99 % of a binomial with 0.9 lie within


def test_shared_noise_cancels_in_a_gain():
    values = np.array([[1.0, 0.5, 1.5, 1.2], [0.8, 0.3, 1.3, 1.0]])
    gain = Estimates(values, 0.9).gain(0, over=1)
    assert (gain.low, gain.value, gain.high) == pytest.approx((0.2, 0.2, 0.2))


def test_networks_estimate_the_exact_values(corridor_data):
    torch.set_num_threads(1)
    config = TrainerConfig(width=32, batch_size=32, learning_rate=5e-3, target_rate=0.05, final_rate=0.02)
    policies = [Table(RIGHT, RIGHT, STAY), Table(STAY, STAY, STAY), Table(LEFT, RIGHT, LEFT)]
    found = estimate_values(corridor_data, policies, config, discount=0.5, steps=600, resamples=0)
    # To the right and staying as above. The third stays in S; O and R change places: 1 + 0 + 1/4 ... = 4/3 and half.
    np.testing.assert_allclose(found.values[:, 0], [5 / 3, 2 / 3, (4 / 3 + 2 / 3) / 3], atol=0.05)


def test_importance_sampling_on_a_bandit_by_hand():
    # Two arms tried evenly, reward 1 and 0; the policy takes the first with 3/4: ratios 3/2 and 1/2.
    arm, reward = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 0.0, 0.0])
    target = np.where(arm == 0, 0.75, 0.25)
    found = weighted_importance(target, np.full(4, 0.5), reward, np.arange(4), discount=0.9)
    assert found.value == pytest.approx(0.75)
    assert found.episodes == pytest.approx((1.5 + 1.5 + 0.5 + 0.5) ** 2 / (2 * 1.5**2 + 2 * 0.5**2))


def test_importance_sampling_weighs_each_step_by_what_led_to_it():
    # Episodes of two steps under even chances of two actions; the policy always takes 1.
    # Step 0 counts episodes that began with 1 (the first two), step 1 the one that went on with it (the first).
    target = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    reward = np.array([2.0, 5.0, 4.0, 7.0, 9.0, 9.0])
    found = weighted_importance(target, np.full(6, 0.5), reward, np.array([0, 0, 1, 1, 2, 2]), discount=0.5)
    assert found.value == pytest.approx((2.0 + 4.0) / 2 + 0.5 * 5.0)
    assert found.episodes == 1.0


def test_nothing_is_said_of_a_policy_that_no_episode_could_come_from():
    assert np.isnan(weighted_importance(np.zeros(2), np.ones(2), np.ones(2), np.array([0, 1]), 0.9).value)


def test_probabilities_of_a_sticky_walk():
    found = random_walk_probability(np.array([3, 3, 1, 1]), np.array([0, 0, 0, 1]), count=5, stickiness=0.5)
    np.testing.assert_allclose(found, [0.2, 0.6, 0.1, 0.2])
