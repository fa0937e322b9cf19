import dataclasses

import numpy as np
import pytest

from turn_rl_ros.core.artifact import open_artifact, read_metadata
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.task import make_task
from turn_rl_ros.learn.algorithms import ALGORITHMS, CONTINUOUS
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.algorithms.discrete_cql import DiscreteCqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import step_share, survey
from turn_rl_ros.learn.networks import split_gaussian
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Replay, Stream
from turn_rl_ros.learn.train import Stopped, TrainingFailed, train

QUICK = TrainerConfig(steps=20, batch_size=32, width=16, discount=0.9, average_rate=0.1)
QUICK_GRID = dataclasses.replace(QUICK, algorithm="discrete_cql")
TABULAR = TrainerConfig(
    algorithm="discrete_cql", steps=1500, batch_size=64, width=0, one_hot=True, learning_rate=0.02, final_rate=0.02,
    target_rate=0.1, average_rate=0.1, discount=0.5,
)  # fmt: skip


def first(data, config, own=None, seed=0):
    """The only seed's artifact."""
    (blob,) = train(data, config, own, turn=1, seed=seed, created_utc="then").artifacts.values()
    return blob


def policy_of(data, config, own=None):
    return open_artifact(first(data, config, own), data.spec).policy


def test_discrete_values_are_the_tabular_ones(corridor_data):
    # Discount 1/2. In R for ever: 2. One cell away: 1 + 2 / 2 = 2 by moving right. Two away: 0 + 2 / 2 = 1.
    policy = policy_of(corridor_data, TABULAR, DiscreteCqlConfig(alpha=0.0))
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
        policy_of(data, TABULAR, DiscreteCqlConfig(alpha=alpha)).values(np.zeros(2, np.float32))[4]
        for alpha in (0.0, 0.1)
    ]
    assert unseen[1] < unseen[0] - 0.5


def learned(data, config):
    """What `train` does inside with plain equations, with the algorithm in hand."""
    replay, noise = Replay(data, make_task(data.spec), config), Noise([0])
    inputs, rewards = survey(replay, data, config)
    kind = ALGORITHMS[config.algorithm]
    algorithm = kind(Problem(data.spec, data, inputs, -1e9, 1e9, float(rewards.mean()), noise), config, kind.Config())
    batches = Stream(replay, inputs, config.batch_size, [0])
    for step in range(1, config.steps + 1):
        algorithm.rate = step_share(config, step)
        algorithm.update(batches.next())
    return algorithm, inputs(data.observations)


@pytest.mark.parametrize("config", [QUICK_GRID, dataclasses.replace(QUICK_GRID, one_hot=True)])
def test_numpy_runs_the_discrete_policy_that_torch_trained(corridor_data, config):
    algorithm, inputs = learned(corridor_data, config)
    policy, wanted = policy_of(corridor_data, config), algorithm.average(inputs[None])[0]
    for observation, values in zip(corridor_data.observations, wanted, strict=True):
        np.testing.assert_allclose(policy.values(observation), values.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", [one.name for one in CONTINUOUS])
def test_numpy_runs_the_continuous_policy_that_torch_trained(planar_data, name):
    config = dataclasses.replace(QUICK, algorithm=name)
    algorithm, inputs = learned(planar_data, config)
    output = algorithm.average(inputs[None])[0]
    wanted = (split_gaussian(output)[0] if name == "cql" else output).tanh()
    policy = policy_of(planar_data, config)
    for observation, action in zip(planar_data.observations, wanted, strict=True):
        np.testing.assert_allclose(policy.act(observation), action.numpy(), atol=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(planar_data):
    blobs = [first(planar_data, QUICK, seed=seed) for seed in (3, 3, 4)]
    assert blobs[0] == blobs[1]
    assert blobs[0] != blobs[2]


def test_the_artifact_says_where_it_comes_from(planar_data):
    trained = train(planar_data, dataclasses.replace(QUICK, seeds=2, algorithm="iql"), turn=4, seed=9)
    for seed, blob in trained.artifacts.items():
        facts = read_metadata(blob)
        assert (facts["turn"], facts["algorithm"], facts["transitions"], facts["seed"]) == (4, "iql", 50, seed)
        assert (facts["trainer.discount"], facts["trainer.iql.expectile"]) == (0.9, 0.7)
    assert list(trained.artifacts) == [9, 10]


def test_progress_reaches_the_last_step(planar_data):
    seen = []
    train(planar_data, QUICK, turn=1, seed=0, progress=lambda step, steps, metrics: seen.append((step, steps, metrics)))
    assert [(step, steps) for step, steps, _ in seen] == [(step, 20) for step in range(1, 21)]
    assert {"td_error", "gap", "q_data", "q_policy"} <= set(seen[-1][2])


def test_a_training_that_is_told_to_stop_gives_no_policy(planar_data):
    answers = iter([False, False, True])
    with pytest.raises(Stopped, match="step 2 of 20"):
        train(planar_data, QUICK, turn=1, seed=0, stop=lambda: next(answers))


def test_an_algorithm_for_other_actions_is_refused_with_those_that_fit(planar_data):
    for name in ("dqn", "dreamer"):
        with pytest.raises(ConfigError, match="cql, iql, td3_bc, awac, bc"):
            train(planar_data, dataclasses.replace(QUICK, algorithm=name), turn=1, seed=0)


def test_data_that_is_not_finite_is_refused_by_name(planar_data):
    planar_data.rewards[3] = np.nan
    with pytest.raises(TrainingFailed, match="rewards of the dataset"):
        train(planar_data, QUICK, turn=1, seed=0)


def test_step_sizes_fall_over_the_second_half():
    config = TrainerConfig(steps=100, final_rate=0.02)
    assert [step_share(config, step) for step in (1, 50, 75, 100)] == pytest.approx([1.0, 1.0, 0.51, 0.02])
    assert step_share(TrainerConfig(steps=100), 100) == 1.0  # the papers' constant step size


LEARNS = TrainerConfig(
    steps=400, batch_size=128, width=32, discount=0.8, layer_norm=True, learning_rate=3e-3, actor_learning_rate=3e-3,
    target_rate=0.05, average_rate=0.05, final_rate=0.05, clamp_targets=True, hindsight_share=0.5, resample_share=0.3,
)  # fmt: skip
OWN = {
    "cql": {"alpha": 0.01, "action_samples": 2, "first_temperature": 0.01, "target_entropy": -2.0},
    "iql": {"beta": 20.0},
    "awac": {"temperature": 0.05},
}


@pytest.mark.parametrize("name", [one.name for one in CONTINUOUS])
def test_every_algorithm_comes_nearer_to_goals_than_chance(reaching_data, name):
    """Mean distance to a goal after one episode, in the exact integrator; what makes the data is half noise."""
    kind = ALGORITHMS[name]
    config = dataclasses.replace(LEARNS, algorithm=name)
    if name in ("bc", "td3_bc"):  # what imitates needs the goal that the action was meant for
        config = dataclasses.replace(config, hindsight_share=0.0, resample_share=0.0)
    policy = policy_of(reaching_data, config, kind.Config(**OWN.get(name, {})))
    rng = np.random.default_rng(1)
    chance = final_distance(reaching_data.spec, lambda _: rng.uniform(-1, 1, 2))
    assert final_distance(reaching_data.spec, policy.act) < 0.6 * chance


def final_distance(spec, act):
    task, rng, total = make_task(spec), np.random.default_rng(0), 0.0
    for _ in range(20):
        goal, q, v = task.sample_goal(rng), task.home.copy(), np.zeros(2)
        for _ in range(20):
            v = np.asarray(act(task.observe(q, v, goal).astype(np.float32)), float)
            q = q + 0.1 * v
        total += float(np.linalg.norm(task.achieved_goal(q) - goal)) / 20
    return total
