"""Alpha from the data, against counts by hand and Gram matrices worked out in place."""

from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import POLICY
from turn_rl_ros.data.select import take
from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.conservatism import SCALE, adaptive_alpha, on_policy_share, uncertainty
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.train import train

QUICK = TrainerConfig(steps=2, batch_size=16, width=8)


def one_hot(data):
    return Inputs(data.spec, data.observations, True)


def dense(data):
    return Inputs(data.spec, data.observations, False)


def by(data, behaviour):
    return replace(data, behaviour=np.full(len(data), behaviour, np.int32))


def test_counts_by_hand(corridor_data):
    # Every pair once: 1 / sqrt(2) everywhere. Without one of S's five: any action in S has (4 / sqrt(2) + 1) / 5.
    assert uncertainty(corridor_data, one_hot(corridor_data)) == pytest.approx((2**-0.5, 2**-0.5))
    less = take(corridor_data, np.arange(1, 15))
    own, uniform = uncertainty(less, one_hot(corridor_data))
    assert own == pytest.approx(2**-0.5)
    assert uniform == pytest.approx((4 * (4 * 2**-0.5 + 1) / 5 + 10 * 2**-0.5) / 14)


def test_leverage_of_repeated_rows_falls_as_one_over_the_root(planar_data):
    own, _ = uncertainty(planar_data, dense(planar_data))
    many = take(planar_data, np.repeat(np.arange(50), 400))
    assert uncertainty(many, dense(planar_data))[0] == pytest.approx(own / 20, rel=0.15)


def test_mean_squared_leverage_of_one_constant_row(planar_data):
    # A hundred times the same row: features (1, 0, ..., a) of squared length l give l / (1 + 100 l).
    same = take(planar_data, np.zeros(100, int))
    action = same.actions[0]
    length = 1.0 + float(action @ action)  # a constant input is normalised to 0, full speed is 1 rad/s
    assert uncertainty(same, dense(same))[0] == pytest.approx(np.sqrt(length / (1 + 100 * length)))


def test_more_data_asks_for_less(planar_data):
    alphas = [adaptive_alpha(take(planar_data, np.arange(rows)), dense(planar_data), 20.0) for rows in (10, 20, 50)]
    assert alphas[0] > alphas[1] > alphas[2] > 0


def test_better_coverage_asks_for_less(corridor_data):
    # As many rows, but one action in each state instead of five.
    narrow = take(corridor_data, np.repeat([0, 5, 10], 5))
    inputs = one_hot(corridor_data)
    assert adaptive_alpha(narrow, inputs, 20.0) > adaptive_alpha(corridor_data, inputs, 20.0)


def test_data_of_a_policy_asks_for_less_than_random_data(corridor_data):
    data = take(corridor_data, np.arange(1, 15))
    inputs = one_hot(corridor_data)
    own, uniform = uncertainty(data, inputs)
    assert (on_policy_share(data), on_policy_share(by(data, POLICY))) == (0.0, 1.0)
    assert adaptive_alpha(data, inputs, 20.0) == pytest.approx(SCALE * 20.0 * uniform)
    assert adaptive_alpha(by(data, POLICY), inputs, 20.0) == pytest.approx(SCALE * 20.0 * own)
    assert own < uniform


def test_alpha_is_in_units_of_the_return(corridor_data):
    inputs = one_hot(corridor_data)
    assert adaptive_alpha(corridor_data, inputs, 30.0) == pytest.approx(10 * adaptive_alpha(corridor_data, inputs, 3.0))


@pytest.mark.parametrize("algorithm", ["cql", "discrete_cql"])
def test_training_uses_it(algorithm, planar_data, corridor_data):
    data = planar_data if algorithm == "cql" else corridor_data
    own = ALGORITHMS[algorithm].Config(alpha_rule="adaptive")
    alpha = train(data, replace(QUICK, algorithm=algorithm), own, turn=1, seed=0).runs[0].metrics["alpha"]
    low, high = min(data.rewards.min(), 0.0), max(data.rewards.max(), 0.0)
    expected = adaptive_alpha(data, dense(data), (high - low) / (1 - QUICK.discount))
    assert alpha == pytest.approx(expected, rel=0.05)  # the training normalises by a sample
