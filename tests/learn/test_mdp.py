"""Decision processes of one and two states, small enough to solve with a pencil, given to the real learners."""

import math

import numpy as np
import pytest
import torch

from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Batch

CRITICS = [("cql", {"alpha": 0.0, "action_samples": 1}), ("iql", {}), ("td3_bc", {}), ("awac", {})]
"""The algorithms with values of continuous actions; without its gap CQL must agree with the pencil as well."""


def solve(name, batch, data, steps=300, **own):
    """Linear networks, taught one whole batch again and again with falling steps."""
    kind = ALGORITHMS[name]
    config = TrainerConfig(width=0, discount=0.5, target_rate=0.3, learning_rate=0.1, actor_learning_rate=0.05)
    inputs = Inputs(data.spec, data.observations, one_hot=kind.discrete)
    problem = Problem(data.spec, data, inputs, -100.0, 100.0, 0.0, Noise([0]))
    algorithm = kind(problem, config, kind.Config(**own))
    for step in range(steps):
        algorithm.rate = 1.0 - step / steps
        algorithm.update(batch)
    return algorithm


def continuous(state, reward, next_state, terminal, actions, size=10):
    """A batch in which every transition appears with every action; states are numbers of unit vectors."""
    eye, count = torch.eye(size), len(actions)

    def rows(values):
        return torch.as_tensor(values).repeat_interleave(count, 0)[None]

    action = torch.tensor(actions, dtype=torch.float32).repeat(len(state), 1)[None]
    return Batch(
        rows(eye[list(state)]), action, rows(reward).float(), rows(eye[list(next_state)]), rows(terminal).float()
    )


def discrete(action, reward):
    """One state that ends with whatever is done there."""
    action, reward = torch.tensor(action)[None], torch.tensor(reward)[None]
    here = torch.zeros_like(action)
    return Batch(here, action, reward, here, torch.ones_like(reward))


def q_values(algorithm, batch):
    """Of the first critic, for each row."""
    return algorithm.values(algorithm.critic, batch.observation, batch.action)[0, 0].detach().numpy()


ANY_ACTION = [[-0.8, 0.1], [0.5, -0.6], [0.3, 0.9], [-0.2, -0.4]]


@pytest.mark.parametrize(("name", "own"), CRITICS)
def test_one_state_that_goes_on_is_worth_the_geometric_series(name, own, planar_data):
    batch = continuous([0], [1.0], [0], [0], ANY_ACTION)  # 1 + 1/2 + 1/4 + ... = 2
    np.testing.assert_allclose(q_values(solve(name, batch, planar_data, **own), batch), 2.0, rtol=0.03)


@pytest.mark.parametrize(("name", "own"), CRITICS)
def test_two_states_and_an_end_against_two_states_and_a_time_out(name, own, planar_data):
    """A gives 1 and leads to B, B gives 2 and ends: 2 and 1 + 2 / 2. If B only times out, it gives 2 for ever: 4."""
    for terminal, values in ((1, (2.0, 2.0)), (0, (3.0, 4.0))):
        batch = continuous([0, 1], [1.0, 2.0], [1, 1], [0, terminal], ANY_ACTION)
        found = q_values(solve(name, batch, planar_data, **own), batch)
        np.testing.assert_allclose(found, np.repeat(values, len(ANY_ACTION)), rtol=0.03)


TWO_ACTIONS = [[0.5, 0.0], [-0.5, 0.0]]


def two_actions():
    """One state; the first action ends with reward 1, the second with 0."""
    batch = continuous([0, 0], [0.0, 0.0], [0, 0], [1, 1], TWO_ACTIONS)
    return batch._replace(reward=(batch.action[..., 0] > 0).float())


def mean_action(algorithm):
    """What the delivered policy does in state 0."""
    layers = algorithm.policy(0)
    return np.tanh(layers["w0"][0, 0] + layers["b0"][0, 0])


def test_iql_values_a_state_at_the_expectile(planar_data):
    """Values 1 and 0, equally often: tau (1 - v) = (1 - tau) v, so v = tau."""
    algorithm = solve("iql", two_actions(), planar_data, expectile=0.7)
    assert algorithm.state_value(torch.eye(10)[None, :1]).item() == pytest.approx(0.7, abs=0.01)


def test_iql_imitates_in_proportion_to_the_exponential_of_the_advantage(planar_data):
    """Weights e^beta to 1: the mean is 0.5 (e^beta - 1) / (e^beta + 1) = 0.5 tanh(beta / 2)."""
    algorithm = solve("iql", two_actions(), planar_data, beta=1.0)
    assert mean_action(algorithm) == pytest.approx([0.5 * math.tanh(0.5), 0.0], abs=0.01)


def test_iql_limits_the_weights(planar_data):
    """Advantages 0.3 and -0.7 times 20: e^6 is cut to 100, e^-14 is nothing; both cut to 1 would be the mean, 0."""
    assert mean_action(solve("iql", two_actions(), planar_data, beta=20.0)) == pytest.approx([0.5, 0.0], abs=0.01)
    algorithm = solve("iql", two_actions(), planar_data, beta=1.0, greatest_weight=1.0)
    least = math.exp(-0.7)  # of the worse action; the better one's e^0.3 is cut to 1
    assert mean_action(algorithm) == pytest.approx([0.5 * (1 - least) / (1 + least), 0.0], abs=0.01)


def test_awac_imitates_in_proportion_too(planar_data):
    """Whatever the policy's own value, weights stand e^(1 / lambda) to 1."""
    batch = Batch(*(part.repeat_interleave(32, 1) for part in two_actions()))
    assert mean_action(solve("awac", batch, planar_data)) == pytest.approx([0.5 * math.tanh(0.5), 0.0], abs=0.03)


def test_bc_does_the_mean_of_the_data(planar_data):
    batch = continuous([0], [0.0], [0], [1], [[0.9, 0.0], [0.0, -0.6], [0.0, 0.0]])
    assert mean_action(solve("bc", batch, planar_data)) == pytest.approx([0.3, -0.2], abs=0.005)


def test_td3_bc_weighs_value_against_imitation(planar_data):
    """Q = 1/2 + a_0 there. With weight 0 the policy is the mean, 0; with alpha the slope of Q pulls.

    Imitation's slope is a_0 (the square, halved by the mean over two dimensions), Q's is alpha / Q(a): they balance
    where a_0 (1/2 + a_0) = alpha. Across, where the data never goes, Q's slope is the initial one's, and small.
    """
    assert mean_action(solve("td3_bc", two_actions(), planar_data, alpha=0.0)) == pytest.approx([0.0, 0.0], abs=0.01)
    algorithm = solve("td3_bc", two_actions(), planar_data, alpha=0.14, steps=600)
    assert mean_action(algorithm) == pytest.approx([0.2, 0.0], abs=0.03)  # 0.2 * 0.7


def indifferent(data, **own):
    """CQL whose critics say 0 to everything, and whose policy is wide."""
    algorithm = solve("cql", two_actions(), data, steps=0, **own)
    with torch.no_grad():
        algorithm.critic.values.zero_()
        algorithm.actor.values.zero_()
    return algorithm


def many(batch, rows=256):
    return Batch(*(part.repeat_interleave(rows, 1) for part in batch))


def test_gap_of_indifferent_critics(planar_data):
    """The integral of exp(0) over [-1, 1]^2 is 4; the mean of exp(0) over a policy's actions is 1."""
    for variant, gap in (("h", math.log(4.0)), ("rho", 0.0)):
        algorithm = indifferent(planar_data, variant=variant, action_samples=50)
        assert algorithm.losses(many(two_actions()))[1]["gap"].item() == pytest.approx(gap, abs=0.03)


def test_lagrange_aims_at_the_allowed_gap(planar_data):
    """The gap is log 4 = 1.386 at first: with less allowed alpha rises, with more it falls."""
    for allowed, sign in ((1.0, 1), (2.0, -1)):
        algorithm = indifferent(planar_data, alpha_rule="lagrange", allowed_gap=allowed, action_samples=50)
        before = algorithm.update(many(two_actions()))["alpha"].item()
        assert before == pytest.approx(5.0, rel=1e-5)
        after = algorithm.losses(many(two_actions()))[1]["alpha"].item()
        assert sign * (after - before) > 0.1


@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_discrete_gap_leaves_alone_what_the_data_does_as_often_as_a_soft_maximum(alpha, corridor_data):
    """Reward log 4 for the action of half the data, 0 for the four others: softmax of the rewards is the data's share.

    The gap has its minimum there, log(4 + 4) - 1/2 log 4 = log 4, and values are the rewards whatever alpha.
    """
    batch = discrete([0, 0, 0, 0, 1, 2, 3, 4], [math.log(4.0)] * 4 + [0.0] * 4)
    algorithm = solve("discrete_cql", batch, corridor_data, alpha=alpha)
    _, found = algorithm.losses(batch)
    assert found["gap"].item() == pytest.approx(math.log(4.0), abs=1e-3)
    values = algorithm.q(batch.observation)[0, 0].detach().numpy()
    np.testing.assert_allclose(values, [math.log(4.0), 0, 0, 0, 0], atol=0.01)


def test_discrete_gap_pulls_a_better_action_down_to_where_the_error_holds_it(corridor_data):
    """Reward 1 for one of five equally frequent actions, alpha 1/5: Q0 = 1.2 - softmax(Q)_0, the others (1 - Q0) / 4.

    Fixed-point iteration on paper: 0.842 and 0.0395.
    """
    batch = discrete([0, 1, 2, 3, 4], [1.0, 0.0, 0.0, 0.0, 0.0])
    algorithm = solve("discrete_cql", batch, corridor_data, steps=600, alpha=0.2)
    values = algorithm.q(batch.observation)[0, 0].detach().numpy()
    np.testing.assert_allclose(values, [0.842] + [0.0395] * 4, atol=0.002)
