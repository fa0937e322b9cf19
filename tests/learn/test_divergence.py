"""Runs that leave what rewards allow are stopped, and say so."""

import dataclasses
import math

import numpy as np
import pytest

from turn_rl_ros.learn.algorithms.iql import IqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.divergence import divergence
from turn_rl_ros.learn.engine import Training
from turn_rl_ros.learn.train import TrainingFailed, train

ABSURD = TrainerConfig(algorithm="iql", steps=50, batch_size=16, width=8, discount=0.9, learning_rate=1e4, seeds=2)


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        ({"q_data": -99.0, "q_policy": -99.0}, ""),
        ({"q_data": -101.0}, "q_data is -101, returns lie in"),
        ({"q_policy": 150.0}, "q_policy is 150, returns lie in"),
        ({"q_data": -60.0, "q_policy": 60.0}, "valued 120 above the data's, two returns differ by at most 10"),
        ({"q_data": 0.0, "td_error": math.nan}, "td_error is nan"),
        ({"gap": math.inf}, "gap is inf"),
    ],
)
def test_values_beyond_ten_times_the_greatest_return_are_none(metrics, why):
    found = divergence(metrics, -10.0, 0.0)
    assert why in found and bool(found) == bool(why)


def test_an_absurd_step_size_is_stopped_with_good_weights_and_a_reason(planar_data):
    seen = []
    training = Training(planar_data, ABSURD, IqlConfig(), (0, 1), progress=lambda step, *_: seen.append(step))
    for run in training.run():
        assert "returns lie in" in run.diverged
        assert all(np.isfinite(array).all() for array in run.weights.values())
    assert not seen or seen[-1] < ABSURD.steps


def test_when_every_seed_diverged_the_training_says_what_to_change(planar_data):
    with pytest.raises(TrainingFailed, match=r"every seed diverged, the first at step \d+: .*lower trainer.learning_"):
        train(planar_data, ABSURD, turn=1, seed=0)


def test_a_run_that_only_just_fits_stands(planar_data):
    config = dataclasses.replace(ABSURD, learning_rate=1e-3)
    assert [run.diverged for run in Training(planar_data, config, IqlConfig(), (0, 1)).run()] == ["", ""]
