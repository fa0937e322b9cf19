"""Seeds side by side, alone, and in processes of their own: the same runs."""

import dataclasses
import multiprocessing

import numpy as np
import pytest

from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Stopped, Training
from turn_rl_ros.learn.workers import run_seeds

CONFIG = TrainerConfig(algorithm="iql", steps=200, batch_size=16, width=8, discount=0.9)


def training(data, seeds, name="iql", **changes):
    config = dataclasses.replace(CONFIG, algorithm=name, **changes)
    return Training(data, config, ALGORITHMS[name].Config(), seeds)


def assert_same(run, other, rtol=0.0):
    assert (run.seed, run.diverged) == (other.seed, other.diverged)
    assert run.metrics == pytest.approx(other.metrics, rel=1e-3)
    for name, array in run.weights.items():
        np.testing.assert_allclose(array, other.weights[name], rtol=rtol, atol=0.1 * rtol)


@pytest.mark.parametrize("name", ["iql", "td3_bc", "cql"])
def test_seeds_side_by_side_are_each_its_own_run(name, planar_data):
    """They draw the same; a product of two stacked matrices may round otherwise than one alone."""
    both = training(planar_data, (3, 4), name, steps=50).run()
    for run, seed in zip(both, (3, 4), strict=True):
        assert_same(run, training(planar_data, (seed,), name, steps=50).run()[0], rtol=1e-3)


def test_a_process_for_each_seed_gives_the_same_runs_in_order(planar_data):
    """Bit by bit what the same seeds give in this process: two beside each other, and one alone."""
    runs = run_seeds(training(planar_data, (3, 4, 5)), processes=2)
    assert [run.seed for run in runs] == [3, 4, 5]
    beside, alone = training(planar_data, (3, 5)).run(), training(planar_data, (4,)).run()
    for run, other in zip(runs, (beside[0], alone[0], beside[1]), strict=True):
        assert_same(run, other)


def test_a_killed_process_loses_its_own_seeds_alone(planar_data):
    def kill(step, steps, metrics):
        for child in multiprocessing.active_children()[:1]:
            if not killed:
                killed.append(child.pid)
                child.kill()

    killed = []
    asked = dataclasses.replace(training(planar_data, (3, 4), steps=1500), progress=kill)
    runs = run_seeds(asked, processes=2)
    lost, stands = sorted(runs, key=lambda run: run.diverged, reverse=True)
    assert lost.diverged == "its process ended with exit code -9"
    assert_same(stands, training(planar_data, (stands.seed,), steps=1500).run()[0])


def test_asked_to_stop_all_processes_do(planar_data):
    asked = dataclasses.replace(training(planar_data, (3, 4), steps=1_000_000), stop=lambda: True)
    with pytest.raises(Stopped, match="of 1000000"):
        run_seeds(asked, processes=2)
    assert not multiprocessing.active_children()
