"""A training that is killed with SIGKILL and started again ends with the bytes of one that was left alone."""

import dataclasses
import multiprocessing
import os
import signal

import numpy as np
import pytest

from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.checkpoint import read_checkpoint, write_checkpoint
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Stopped, Training
from turn_rl_ros.learn.replay import CHUNK
from turn_rl_ros.learn.train import train

CONFIG = TrainerConfig(
    steps=250, batch_size=16, width=8, discount=0.9, average_rate=0.1, final_rate=0.1, n_step=3, checkpoint_steps=CHUNK
)
CASES = [
    ("cql", {"alpha_rule": "lagrange", "action_samples": 2}, 1, 1),
    ("td3_bc", {"policy_every": 3}, 2, 1),  # 64 is no multiple of 3: where it stood in its rhythm must be kept
    ("iql", {}, 2, 2),
    ("discrete_cql", {}, 2, 1),
]


def learn(data, config, own, checkpoint, die_at=0, told=None):
    """Train; with `die_at` the process is killed at that step, in the middle of whatever it does."""

    def progress(step, steps, metrics):
        if told is not None:
            told.append(step)
        if die_at and step >= die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return train(data, config, own, turn=1, seed=5, progress=progress, checkpoint=checkpoint, created_utc="then")


@pytest.mark.parametrize(("name", "own", "seeds", "processes"), CASES)
def test_killed_and_started_again_it_gives_the_same_bytes(
    name, own, seeds, processes, planar_data, corridor_data, tmp_path
):
    data = corridor_data if ALGORITHMS[name].discrete else planar_data
    own, told = ALGORITHMS[name].Config(**own), []
    config = dataclasses.replace(CONFIG, algorithm=name, seeds=seeds, processes=processes)
    die_at = int(np.random.default_rng().integers(CHUNK + 10, 240))
    spawn = multiprocessing.get_context("spawn")
    child = spawn.Process(target=learn, args=(data, config, own, tmp_path / "run.safetensors", die_at))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.safetensors"))) == processes
    resumed = learn(data, config, own, tmp_path / "run.safetensors", told=told)
    assert told[0] > CHUNK, f"killed at {die_at}, it began again"
    assert resumed.artifacts == learn(data, config, own, None).artifacts
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.fixture
def stopped(planar_data, tmp_path):
    """Two seeds that were stopped just after step 128, and what they need to go on."""
    config = dataclasses.replace(CONFIG, algorithm="iql", seeds=2)
    training = Training(planar_data, config, ALGORITHMS["iql"].Config(), (0, 1), tmp_path / "run.safetensors")
    steps = iter(range(130))
    training.stop = lambda: next(steps) == 129
    with pytest.raises(Stopped, match="step 129 of 250"):
        training.run()
    return dataclasses.replace(training, stop=None)


def test_a_checkpoint_of_another_configuration_is_left_aside(stopped):
    first = []
    other = dataclasses.replace(stopped, config=dataclasses.replace(stopped.config, discount=0.8))
    other.progress = lambda step, *_: first.append(step)
    other.run()
    assert first[0] == 2


def test_a_damaged_checkpoint_is_left_aside(stopped):
    first, blob = [], stopped.checkpoint.read_bytes()
    stopped.checkpoint.write_bytes(blob[: len(blob) // 2])
    stopped.progress = lambda step, *_: first.append(step)
    stopped.run()
    assert first[0] == 2


def test_a_seed_that_breaks_keeps_its_last_good_weights_and_leaves_the_other_alone(stopped):
    """The second seed's critic turns into nonsense between two steps, as if by a broken memory cell."""
    undisturbed = dataclasses.replace(stopped, checkpoint=None).run()
    tensors, facts = read_checkpoint(stopped.checkpoint, stopped._identity())
    actor = tensors["good.average"][1].clone()
    tensors["network.critic"][2:] = float("nan")
    write_checkpoint(stopped.checkpoint, tensors, facts)
    standing, broken = stopped.run()
    assert standing.diverged == ""
    for name, array in undisturbed[0].weights.items():
        np.testing.assert_array_equal(standing.weights[name], array)
    assert broken.diverged.startswith("step 130: td_error is nan")
    first_layer = broken.weights["w0"].flatten()
    np.testing.assert_array_equal(first_layer, actor[: len(first_layer)].numpy())
