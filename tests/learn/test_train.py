import dataclasses

import numpy as np
import pytest
import torch

from turn_rl_ros.core.artifact import open_artifact, read_metadata
from turn_rl_ros.core.task import make_task
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.cql import ContinuousCql
from turn_rl_ros.learn.discrete import DiscreteCql
from turn_rl_ros.learn.networks import forward, split_gaussian
from turn_rl_ros.learn.replay import Replay
from turn_rl_ros.learn.train import Stopped, TrainingFailed, step_size, train

QUICK = TrainerConfig(steps=20, batch_size=32, width=16, threads=1)
TABULAR = TrainerConfig(
    steps=1500, batch_size=64, width=0, one_hot=True, learning_rate=0.02, target_rate=0.1, average_rate=0.1,
    alpha=0.0, discount=0.5, threads=1,
)  # fmt: skip


def policy_of(data, config):
    return open_artifact(train(data, config, turn=1, seed=0), data.spec).policy


def test_discrete_values_are_the_tabular_ones(corridor_data):
    # Discount 1/2. In R for ever: 2. One cell away: 1 + 2 / 2 = 2 by moving right. Two away: 0 + 2 / 2 = 1.
    policy = policy_of(corridor_data, TABULAR)
    stay, _up, _down, left, right = range(5)
    values = np.array([policy.values(np.array([0, column], dtype=np.float32)) for column in range(3)])
    np.testing.assert_allclose(values.max(axis=1), [1.0, 2.0, 2.0], atol=0.05)
    assert values[0, stay] == pytest.approx(0.5, abs=0.05)
    assert values[1, left] == pytest.approx(0.5, abs=0.05)
    assert values[2, left] == pytest.approx(1.0, abs=0.05)
    assert [int(values[c].argmax()) for c in range(2)] == [right, right]


def test_conservatism_lowers_what_the_data_never_does(corridor_data):
    # Without the moves `right` from S, nothing but the initial value speaks for them.
    keep = ~((corridor_data.observations[:, 1] == 0) & (corridor_data.actions == 4))
    columns = {
        f.name: getattr(corridor_data, f.name)[keep]
        for f in dataclasses.fields(corridor_data)
        if isinstance(getattr(corridor_data, f.name), np.ndarray)
    }
    data = dataclasses.replace(corridor_data, **columns)
    unseen = [
        policy_of(data, dataclasses.replace(TABULAR, alpha=alpha)).values(np.zeros(2, np.float32))[4]
        for alpha in (0.0, 0.1)
    ]
    assert unseen[1] < unseen[0] - 0.5


@pytest.mark.parametrize("config", [QUICK, dataclasses.replace(QUICK, one_hot=True, ensemble=2)])
def test_numpy_runs_the_discrete_policy_that_torch_trained(corridor_data, config):
    learner, data = trained(DiscreteCql, corridor_data, config)
    policy = policy_of(corridor_data, config)
    for observation in data.observation[:10]:
        torch_values = learner.values(learner._average, observation[None])[:, 0].mean(0)
        np.testing.assert_allclose(policy.values(observation.numpy()), torch_values.numpy(), atol=1e-5)


def test_numpy_runs_the_continuous_policy_that_torch_trained(planar_data):
    learner, data = trained(ContinuousCql, planar_data, QUICK)
    policy = policy_of(planar_data, QUICK)
    for observation in data.observation[:10]:
        output = forward(learner._average, (observation[None] - learner._mean) / learner._std)[0]
        mean = split_gaussian(output)[0].tanh()[0]
        np.testing.assert_allclose(policy.act(observation.numpy()), mean.numpy(), atol=1e-5)


def trained(kind, data, config):
    """What `train` does inside, with the learner in hand."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    replay = Replay(data, make_task(data.spec), config, rng)
    sample = replay.draw(4096)
    learner = kind(data.spec, sample, config, generator)
    for step, batch in zip(range(1, config.steps + 1), replay.batches(), strict=False):
        learner.update(batch, step_size(config, step))
    return learner, sample


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(planar_data):
    blobs = [train(planar_data, QUICK, turn=1, seed=seed, created_utc="then") for seed in (3, 3, 4)]
    assert blobs[0] == blobs[1]
    assert blobs[0] != blobs[2]


def test_the_artifact_says_where_it_comes_from(planar_data):
    facts = read_metadata(train(planar_data, QUICK, turn=4, seed=9))
    assert (facts["turn"], facts["algorithm"], facts["transitions"], facts["seed"]) == (4, "cql", 50, 9)
    assert facts["trainer.alpha"] == QUICK.alpha


def test_progress_reaches_the_last_step(planar_data):
    seen = []
    train(planar_data, QUICK, turn=1, seed=0, progress=lambda step, steps, metrics: seen.append((step, steps, metrics)))
    assert [step for step, _, _ in seen] == list(range(1, 21))
    assert {"bellman_error", "gap", "value"} <= set(seen[-1][2])


def test_a_training_that_is_told_to_stop_gives_no_policy(planar_data):
    answers = iter([False, False, True])
    with pytest.raises(Stopped, match="step 2 of 20"):
        train(planar_data, QUICK, turn=1, seed=0, stop=lambda: next(answers))


def test_divergence_is_one_clear_line(planar_data):
    with pytest.raises(TrainingFailed, match=r"diverged at step \d+: .* lower trainer.learning_rate"):
        train(planar_data, dataclasses.replace(QUICK, learning_rate=1e38), turn=1, seed=0)


def test_data_that_is_not_finite_is_refused_by_name(planar_data):
    planar_data.rewards[3] = np.nan
    with pytest.raises(TrainingFailed, match="rewards of the dataset"):
        train(planar_data, QUICK, turn=1, seed=0)


def test_step_size_falls_over_the_second_half():
    config = TrainerConfig(steps=100, learning_rate=1.0)
    assert [step_size(config, step) for step in (1, 50, 75, 100)] == pytest.approx([1.0, 1.0, 0.5, 0.02])
