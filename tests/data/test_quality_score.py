"""The score: parts worked out by hand, more data is never worse, and verdicts on data whose worth is known."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from quality_data import EPISODES, ROWS, STEPS, arm_data, arm_rows, arm_sessions, planted, recorded, simulated

from turn_rl_ros.data import quality
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.exchange.imports import import_file


def parts(data):
    return {part.name: part for part in quality.assess(data).score.parts}


def test_the_parts_add_up_to_at_most_ten():
    found = quality.assess(arm_data()).score
    assert sum(part.weight for part in found.parts) == 10
    assert found.total == pytest.approx(sum(part.value * part.weight for part in found.parts))
    assert all(0 <= part.value <= 1 and part.because for part in found.parts)


def test_size_is_the_root_of_rows_over_need():
    # Two joints need 2,000 rows; there are 400: sqrt(0.2).
    assert parts(arm_data())["size"].value == pytest.approx(np.sqrt(ROWS / 2000))


def test_copies_do_not_count_as_rows(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(0))
    assert parts(data)["size"].value == pytest.approx(np.sqrt(ROWS / 2000))


def test_validity_is_gone_at_a_fifth_of_wrong_rows():
    for share, expected in ((0.05, 0.75), (0.2, 0.0), (0.9, 0.0)):
        wrong = planted(arm_data(), "rewards", slice(int(share * ROWS)), 9.0)
        assert parts(wrong)["validity"].value == pytest.approx(expected)


def test_variety_of_uniform_actions_is_full_and_of_one_action_is_none():
    data = arm_data()
    uniform = np.random.default_rng(0).uniform(-1, 1, data.actions.shape).astype(np.float32)
    assert parts(planted(data, "actions", slice(None), uniform))["variety"].value > 0.97
    assert parts(planted(data, "actions", slice(None), 0.3))["variety"].value == pytest.approx(0, abs=1e-6)


def test_variety_of_moves_is_their_entropy():
    data = simulated("gridworld", 100)
    two = planted(data, "actions", slice(None), np.arange(len(data)) % 2)
    assert parts(two)["variety"].value == pytest.approx(np.log(2) / np.log(5), abs=1e-3)


def test_a_constant_reward_is_not_enough_and_says_so():
    found = quality.assess(planted(arm_data(), "rewards", slice(None), -1.0)).score
    assert not found.enough and "the reward never changes" in found.verdict


def test_the_spread_of_returns_by_hand():
    # Returns of 3 whole episodes become 0, 0 and 1: mean 1/3, only the last is above it, by 2/3; sqrt(4/27) = 0.385.
    rewards = np.repeat(np.array([-5.0, -5.0, -1.0], np.float32), STEPS)
    found = parts(replace(arm_data(episodes=3), rewards=rewards))["reward"]
    assert found.because.endswith("the better returns of 3 whole ones spread by 0.38")


def test_one_session_is_half_consistent_and_an_odd_one_costs_the_rest(tmp_path):
    assert parts(arm_data())["consistency"].value == 0.5
    even = arm_sessions(tmp_path / "even", arm_rows(0), arm_rows(1), arm_rows(2))
    assert parts(even)["consistency"].value == 1
    odd = arm_sessions(tmp_path / "odd", arm_rows(0), arm_rows(1), arm_rows(2, gain=0.2))
    assert parts(odd)["consistency"].value == pytest.approx(1 - 2 / 3)


def test_more_of_the_same_kind_never_scores_less():
    totals = [quality.assess(arm_data(episodes=n)).score.total for n in (2, 4, 8, 16, 32)]
    assert totals == sorted(totals)


def test_verdicts_on_random_walks_of_the_grid():
    """The first has never seen R; on the second, tabular Q iteration finds the optimum of the world."""
    short, long = (
        quality.assess(simulated("gridworld", 100)).score,
        quality.assess(simulated("gridworld", 10_000)).score,
    )
    assert not short.enough and short.verdict.startswith("not enough")
    assert long.enough and long.verdict == "enough to train on" and long.total > short.total + 3


def test_errors_come_first_in_a_verdict():
    long = arm_data(episodes=6 * EPISODES)
    found = quality.assess(planted(long, "rewards", slice(5), 9.0)).score
    assert found.verdict.startswith("trainable, but first repair or leave out rewards that the task does not give")


def test_imported_data_is_scored_by_its_rewards_alone():
    found = parts(recorded(np.random.default_rng(0)))
    assert "3 episodes earned more than the middle of all rewards" in found["reward"].because
    assert found["size"].value == pytest.approx(np.sqrt(300 / 1000))


@pytest.mark.skipif("TURN_RL_TEST_DATA" not in os.environ, reason="TURN_RL_TEST_DATA does not name the recordings")
def test_verdicts_on_recordings_of_others(tmp_path):
    """A random robot that was never paid, and 10,000 rows of pushing a ball."""
    folder, found = Path(os.environ["TURN_RL_TEST_DATA"], "rl", "pushball_d4rl"), []
    for name in ("dataset_random_1000", "dataset"):
        import_file(folder / f"{name}.hdf5", tmp_path / name)
        found.append(quality.assess(load_dataset(tmp_path / name)).score)
    assert "the reward never changes" in found[0].verdict and found[1].verdict == "enough to train on"
    assert found[0].total < 4 < 8 < found[1].total
