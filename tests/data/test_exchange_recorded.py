"""The task of imported data: the unknown is NaN or never so, a trainer can learn from it, and no arm can run it."""

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.exchange.imports import import_file
from turn_rl_ros.data.schema import goal_size, row_dtype

TWO = {"observation_low": (0.0,), "observation_high": (2.0,)}


def imported(directory, discrete):
    """A walk on a line: the action moves it, and being far right pays."""
    rng = np.random.default_rng(0)
    place = rng.uniform(-1, 1, (400, 1)).astype(np.float32)
    move = rng.integers(0, 2, 400) if discrete else rng.uniform(-1, 1, (400, 1)).astype(np.float32)
    after = place + 0.1 * (move[:, None] * 2 - 1 if discrete else move)
    with h5py.File(directory / "x.hdf5", "w") as file:
        file["observations"], file["next_observations"], file["actions"] = place, after.astype(np.float32), move
        file["rewards"], file["terminals"] = after[:, 0], np.arange(400) % 50 == 49
    import_file(directory / "x.hdf5", directory / "sessions")
    return load_dataset(directory / "sessions")


def test_a_spec_without_joints_survives_its_own_text():
    spec = make_spec({"kind": "recorded", **TWO})
    assert TaskSpec.from_json(spec.to_json()) == spec and spec.joint_names == ()
    assert goal_size(spec) == 0 and row_dtype(spec)["joint_position"].itemsize == 0


def test_reward_and_distance_are_not_known_and_success_never_happens():
    task = make_task(make_spec({"kind": "recorded"}))
    joints, goal = np.zeros((5, 0)), np.zeros((5, 0))
    assert np.isnan(task.reward(joints, goal)).all() and np.isnan(task.distance(joints, goal)).all()
    assert not task.success(joints, goal).any() and not task.terminated(joints, goal).any()
    assert task.reward(joints, goal).shape == (5,) and task.achieved_goal(joints).shape == (5, 0)


def test_it_cannot_be_run_on_an_arm():
    task = make_task(make_spec({"kind": "recorded", "robot": "cheetah"}))
    for attempt in (lambda: task.sample_goal(np.random.default_rng(0)), lambda: task.command(0, np.zeros(0))):
        with pytest.raises(ConfigError, match="the task of cheetah is imported data: it has no robot"):
            attempt()


def test_names_units_and_bounds_must_fit():
    with pytest.raises(ConfigError, match="equally long"):
        make_spec({"kind": "recorded", "observation_low": [0.0, 0.0]})
    with pytest.raises(ConfigError, match=r"task\.action_low of action_0 is 2\.0"):
        make_spec({"kind": "recorded", "action_low": [2.0]})


@pytest.mark.parametrize("discrete", [False, True])
def test_a_policy_is_learnt_from_imported_data(tmp_path, discrete):
    train = pytest.importorskip("turn_rl_ros.learn.train")
    data = imported(tmp_path, discrete)
    config = train.TrainerConfig(algorithm="discrete_cql" if discrete else "cql", steps=20, batch_size=64, width=16)
    trained = train.train(data, config, turn=1, seed=0)
    blob = next(iter(trained.artifacts.values()))
    action = open_artifact(blob, data.spec).policy.act(np.zeros(1, np.float32))
    assert action in (0, 1) if discrete else -1 <= float(action[0]) <= 1
