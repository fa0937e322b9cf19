"""The numbers behind the figures, each worked out another way."""

import numpy as np
import pytest

from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.report.accounts import behaviours, interventions
from turn_rl_ros.report.bounds import best_known
from turn_rl_ros.report.learning import success_interval, wilson
from turn_rl_ros.report.run import read_run
from turn_rl_ros.report.tabular import expected_next, optimal_policy, random_policy, targets, visits
from turn_rl_ros.report.visits import session_visits


def test_wilson_interval_of_nine_in_ten():
    # Solutions of (p - 0.9)^2 = 1.96^2 p (1 - p) / 10.
    assert wilson(9, 10) == pytest.approx(np.roots([1 + 0.38416, -1.8 - 0.38416, 0.81])[::-1], abs=1e-9)


def test_wilson_interval_of_none_in_hundred_is_not_empty():
    low, high = wilson(0, 100)
    assert low == 0.0
    assert high == pytest.approx(1.96**2 / (100 + 1.96**2))


def test_episodes_that_are_all_the_same_have_no_interval():
    assert success_interval(1.0, np.full(100, 250.0)) is None
    assert success_interval(0.9, np.arange(10.0)) == wilson(9, 10)


def test_guard_and_behaviour_counts_are_those_of_the_file(run):
    read = read_run(run)
    # Two rows were changed, one of them for two reasons (conftest).
    assert interventions(read, 0) == {"position limit": 2, "velocity limit": 1}
    assert behaviours(read, 0) == {"random": 30}
    assert behaviours(read, 1) == {"exploring": 30}


def test_session_visits_are_shares_and_start_in_s(run):
    read = read_run(run)
    share = session_visits(read, 0)
    assert share.sum() == pytest.approx(1.0)
    first = read.of_turn(0)[0].rows[0]
    assert share[0, 0, first["actions"]] > 0
    assert share[1, 0].sum() == 0  # a wall


def test_optimum_of_the_small_world_is_seven(spec):
    # R is 4 moves away: the steps 4 to 10 of an episode of 10 end there.
    best, _ = best_known(spec, 4, 0)
    assert best.mean_return == pytest.approx(7.0)


def test_optimum_of_the_study_world():
    # Shortest path 19, 269 steps: 269 - 18 of them end in R.
    best, _ = best_known(make_spec({"kind": "gridworld"}), 1, 0)
    assert best.mean_return == pytest.approx(251.0)


def test_optimal_visits_of_the_small_world(spec):
    # Each of the shortest ways starts by going right, since (1, 0) is a wall, and the last six of ten steps stay on R:
    # by staying, or by moving against one of the two edges there.
    share = visits(make_task(spec), optimal_policy(make_task(spec)))
    assert share[0, 0].tolist() == pytest.approx([0, 0, 0, 0, 0.1])
    assert share[2, 2].tolist() == pytest.approx([0.2, 0, 0.2, 0, 0.2])
    assert share.sum() == pytest.approx(1.0)


def model_of(task):
    """P(next state | state, action), (n_states, n_actions, n_states)."""
    ends = targets(task)
    return expected_next(task, ends, np.eye(len(ends)))


def test_random_visits_by_simulation(spec):
    task, rng = make_task(spec), np.random.default_rng(1)
    model = model_of(task)
    counts, episodes = np.zeros(9), 4000
    for _ in range(episodes):
        state = 0
        for _ in range(spec.episode_steps):
            counts[state] += 1
            state = int(np.argmax(model[state, rng.integers(5)]))
    exact = visits(task, random_policy(task)).sum(axis=2).ravel()
    # 40,000 correlated steps: five times the standard error of independent ones is 0.012.
    assert counts / counts.sum() == pytest.approx(exact, abs=0.015)


def test_slip_goes_to_the_four_directions_evenly_and_staying_never_slips(tmp_path):
    world = tmp_path / "open.txt"
    world.write_text("SOO\nOOO\nOOR\n")
    task = make_task(make_spec({"kind": "gridworld", "world": str(world), "slip": 0.2}))
    centre, up = 4, 1
    assert model_of(task)[centre, up] == pytest.approx([0, 0.85, 0, 0.05, 0, 0.05, 0, 0.05, 0])
    assert model_of(task)[centre, 0, centre] == 1.0


def test_servo_reaches_every_goal_of_the_panda():
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    best, _ = best_known(make_spec({"kind": "reach"}), 10, 7)
    assert best.success_rate == 1.0
