"""Sessions that found no reward, or found it once."""

import numpy as np

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.select import take
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.divergence import divergence
from turn_rl_ros.learn.engine import survey
from turn_rl_ros.learn.replay import Replay
from turn_rl_ros.learn.train import train

TABULAR = TrainerConfig(algorithm="discrete_cql", steps=100, batch_size=16, width=0, one_hot=True, learning_rate=0.02)


def test_one_reward_in_a_million_is_still_a_possible_return(corridor_data):
    rows = np.append(np.zeros(1_000_000, int), np.flatnonzero(corridor_data.rewards)[0])
    data = take(corridor_data, rows)
    _, rewards = survey(Replay(data, make_task(data.spec), TABULAR), data, TABULAR)
    assert rewards.max() == 1.0


def test_a_session_without_any_reward_can_be_trained_on(corridor_data):
    nothing = take(corridor_data, np.flatnonzero(corridor_data.rewards == 0))
    assert train(nothing, TABULAR, turn=1, seed=0).artifacts


def test_young_values_are_no_divergence_where_every_return_is_zero():
    assert divergence({"q_data": 0.9, "q_policy": 0.95}, 0.0, 0.0) == ""
    assert "q_data" in divergence({"q_data": 11.0}, 0.0, 0.0)
