"""What the discrete algorithms come to, against worked-out values; and that NumPy runs what torch trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.core.task.grid import CELL_M
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.algorithms import DISCRETE, find_algorithm
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.train import train

WORLD = Path(__file__).parents[2] / "sim" / "worlds" / "turn_based_20x20.txt"
STAY, UP, DOWN, LEFT, RIGHT = range(5)
TABULAR = TrainerConfig(
    steps=1500, batch_size=64, width=0, one_hot=True, learning_rate=0.02, final_rate=0.01, target_rate=0.1,
    average_rate=0.1, discount=0.5, clamp_targets=True,
)  # fmt: skip
OWN = {
    "discrete_cql": {"alpha": 0.0}, "qr_dqn": {"quantiles": 5, "kappa": 0.01}, "c51": {"atoms": 41},
    "rem": {"heads": 5}, "discrete_bcq": {"threshold": 0.0},
}  # fmt: skip


def policy_of(data, config, **own):
    algorithm = find_algorithm(config.algorithm, True)
    trained = train(data, config, replace(algorithm.Config(), **own), turn=1, seed=0)
    return open_artifact(trained.artifacts[0], data.spec).policy


@pytest.mark.parametrize("name", ["discrete_cql", "dqn", "double_dqn", "qr_dqn", "c51", "rem", "discrete_bcq"])
def test_values_of_the_corridor_are_the_tabular_ones(corridor_data, name):
    # Discount 1/2. In R for ever: 2. One cell away: 1 + 2 / 2 = 2 by moving right. Two away: 0 + 2 / 2 = 1.
    policy = policy_of(corridor_data, replace(TABULAR, algorithm=name), **OWN.get(name, {}))
    values = np.array([policy.values(np.array([0, column], dtype=np.float32)) for column in range(3)])
    np.testing.assert_allclose(values.max(axis=1), [1.0, 2.0, 2.0], atol=0.05)
    assert [values[0, STAY], values[1, LEFT], values[2, LEFT]] == pytest.approx([0.5, 0.5, 1.0], abs=0.05)
    assert [int(values[column].argmax()) for column in range(2)] == [RIGHT, RIGHT]


def grid_data():
    """Every move from every free cell of the study's grid, once; a wall or the edge stops a move."""
    spec = make_spec({"kind": "gridworld", "world": str(WORLD)})
    task = make_task(spec)
    cells = np.argwhere(task.world.free)
    here, action = np.repeat(cells, 5, axis=0), np.tile(np.arange(5), len(cells))
    moved = here + np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])[action]
    inside = ((moved >= 0) & (moved < 20)).all(1)
    legal = inside & task.world.free[tuple(np.clip(moved, 0, 19).T)]
    there = np.where(legal[:, None], moved, here)
    rows, zero = len(here), np.zeros((len(here), 2))
    return Dataset(
        spec,
        observations=here.astype(np.float32),
        actions=action.astype(np.int64),
        rewards=(there == task.world.reward).all(1).astype(np.float32),
        next_observations=there.astype(np.float32),
        terminals=np.zeros(rows, bool),
        timeouts=np.ones(rows, bool),
        joint_position=here * CELL_M,
        joint_velocity=zero,
        next_joint_position=there * CELL_M,
        next_joint_velocity=zero,
        goal=np.tile([*np.array(task.world.reward) * CELL_M, 0.0], (rows, 1)),
        stamp_ns=np.arange(rows) * spec.period_ns,
        next_stamp_ns=(np.arange(rows) + 1) * spec.period_ns,
        episode=np.arange(rows),
        step=np.zeros(rows, np.int64),
        behaviour=np.zeros(rows, np.int32),
        intervention=np.zeros(rows, np.int32),
        command=zero,
        session=np.zeros(rows, np.int32),
        sessions=(),
        manifest_sha256="",
    )


def test_linear_q_on_one_hot_cells_is_tabular_q_iteration_to_a_thousandth():
    data, discount = grid_data(), 0.9
    index = (data.observations[:, 0] * 20 + data.observations[:, 1]).astype(int)
    after = (data.next_observations[:, 0] * 20 + data.next_observations[:, 1]).astype(int)
    table = np.zeros((400, 5))
    for _ in range(300):  # 0.9^300 is 2e-14
        table[index, data.actions] = data.rewards + discount * table.max(1)[after]
    config = replace(
        TABULAR, algorithm="discrete_cql", steps=6000, batch_size=512, discount=discount, average_rate=0.02,
        final_rate=0.001, learning_rate=0.05,
    )  # fmt: skip
    policy = policy_of(data, config, alpha=0.0)
    values = np.array([policy.values(cell) for cell in data.observations[::5]])
    np.testing.assert_allclose(values, table[index[::5]], atol=1e-3)


def test_conservatism_lowers_what_the_data_never_does(corridor_data):
    # Without the moves `right` from S, nothing but the initial value speaks for them.
    data = without(corridor_data, (corridor_data.observations[:, 1] == 0) & (corridor_data.actions == RIGHT))
    config = replace(TABULAR, algorithm="discrete_cql")
    unseen = [policy_of(data, config, alpha=alpha).values(np.zeros(2, np.float32))[RIGHT] for alpha in (0.0, 0.1)]
    assert unseen[1] < unseen[0] - 0.5


def test_bcq_never_takes_an_action_that_the_data_does_not_have(corridor_data):
    # `right` is the best action from the middle cell, but nobody has ever done it there.
    data = without(corridor_data, (corridor_data.observations[:, 1] == 1) & (corridor_data.actions == RIGHT))
    policy = policy_of(data, replace(TABULAR, algorithm="discrete_bcq"), threshold=0.3)
    values = policy.values(np.array([0, 1], np.float32))
    assert values[RIGHT] == -np.inf and np.isfinite(values[:RIGHT]).all()


def test_cloning_takes_the_datas_majority(corridor_data):
    # From S: `right` three times for each other action once; elsewhere all alike.
    extra = (corridor_data.observations[:, 1] == 0) & (corridor_data.actions == RIGHT)
    order = np.concatenate([np.arange(15), np.flatnonzero(extra), np.flatnonzero(extra)])
    data = picked(corridor_data, order)
    policy = policy_of(data, replace(TABULAR, algorithm="discrete_bc"))
    logits = policy.values(np.zeros(2, np.float32))
    share = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(share, [1 / 7, 1 / 7, 1 / 7, 1 / 7, 3 / 7], atol=0.05)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("kind", DISCRETE, ids=lambda kind: kind.name)
def test_numpy_runs_the_policy_that_torch_has(kind, one_hot, corridor_data):
    config = TrainerConfig(algorithm=kind.name, width=8, one_hot=one_hot)
    inputs = Inputs(corridor_data.spec, corridor_data.observations, one_hot)
    problem = Problem(corridor_data.spec, corridor_data, inputs, -3.0, 4.0, 0.3, Noise([5, 6]))
    own = {key: value for key, value in OWN.get(kind.name, {}).items() if key != "alpha"}
    algorithm = kind(problem, config, replace(kind.Config(), **own))
    from turn_rl_ros.core.policies import POLICIES

    policy = POLICIES[kind.kind](algorithm.policy(1), corridor_data.spec)
    with torch.no_grad():
        for observation in corridor_data.observations[::5]:
            x = inputs(np.repeat(observation[None, None], 2, axis=0))
            output = algorithm.average(x)[1, 0].unflatten(-1, (5, -1))
            categorical = kind.name == "c51"
            expected = output.softmax(-1) @ torch.linspace(-3.0, 4.0, 41) if categorical else output.mean(-1)
            np.testing.assert_allclose(policy.values(observation), expected, atol=1e-5)


def without(data, rows):
    return picked(data, np.flatnonzero(~rows))


def picked(data, order):
    columns = {k: v[order] for k, v in vars(data).items() if isinstance(v, np.ndarray)}
    return replace(data, **columns)


def test_a_layer_norm_that_the_delivered_policy_would_not_have_is_refused(corridor_data):
    with pytest.raises(ConfigError, match="layer_norm is for critics"):
        policy_of(corridor_data, replace(TABULAR, algorithm="dqn", layer_norm=True))
