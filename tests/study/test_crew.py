"""A run in process is the turn procedure itself: the pilot's and the guard's rows, the director's summary."""

import json
from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.guard import Cause, Guard
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.turns import Score, Session, walk
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.study.crew import run
from turn_rl_ros.study.plan import read_plan

pytest.importorskip("pybullet", reason="the simulated Panda needs PyBullet")

SEED = 3
SMALL = {
    "director.turns": 2,
    "director.window_s": 4.0,
    "director.evaluate_goals": 2,
    "trainer.steps": 20,
    "trainer.width": 16,
    "task.episode_steps": 20,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    plan = read_plan(scenario_file("panda"), SMALL)
    folder = tmp_path_factory.mktemp("run")
    return plan, folder, run(plan, folder, SEED)


def test_first_session_is_row_for_row_what_the_pilot_records(small):
    plan, folder, _ = small
    env = make_env(plan.spec)
    behaviour = make_behaviour(env.task, plan.behaviour, None, np.random.default_rng([SEED, 0, 0]))
    pilot = replace(plan.pilot, seed=SEED, session=0)
    rows = run_session(env, behaviour, 80, pilot, Guard(plan.spec, plan.guard))
    env.close()
    ours, theirs = load_dataset(folder / "sessions").to_rows(), Dataset.from_transitions(rows, plan.spec).to_rows()
    for name in theirs.dtype.names:
        np.testing.assert_array_equal(ours[:80][name], theirs[name], err_msg=name)


def test_commands_pass_the_guard(small):
    """Random motion begins at up to 1 rad/s from rest; 0.5 rad/s are all that 10 rad/s^2 allow in 0.05 s."""
    plan, _, _ = small
    env = make_env(plan.spec)
    behaviour = make_behaviour(env.task, plan.behaviour, None, np.random.default_rng(SEED))
    slow = Guard(plan.spec, replace(plan.guard, max_acceleration=10.0))
    rows = run_session(env, behaviour, 40, plan.pilot, slow)
    env.close()
    before = np.array([np.zeros(7), *(row.command for row in rows[:-1])])
    change = np.abs(np.array([row.command for row in rows]) - before)
    assert change.max() == pytest.approx(0.5)
    assert any(row.intervention & Cause.ACCELERATION_LIMIT for row in rows)


def test_summary_has_the_fields_that_the_director_writes(small, tmp_path):
    """The director's come from `walk` with any crew."""

    class Idle:
        def recorded(self, turn):
            return Session(60.0, 1200)

        def run_session(self, turn, window_s):
            raise AssertionError("nothing is left of the window")

        def has_policy(self, turn):
            return True

        def train(self, turn):
            return 0.0

        def evaluate(self, turn):
            return Score(0.0, 0.0)

    plan, folder, _ = small
    theirs = walk(replace(plan.turns, run_dir=str(tmp_path), turns=1, window_s=60.0), Idle(), lambda: 0.0, print)
    ours = json.loads((folder / "summary.json").read_text())
    assert ours.keys() == theirs.keys()
    assert all(one.keys() == theirs["turns"][0].keys() for one in ours["turns"])


def test_outcomes_count_all_robot_time_so_far(small):
    _, _, outcomes = small
    assert [one.transitions for one in outcomes] == [80, 160]
    assert [one.robot_minutes for one in outcomes] == pytest.approx([4 / 60, 8 / 60], abs=1e-4)


def test_a_finished_run_is_read_back_and_not_walked_again(small):
    plan, folder, outcomes = small
    assert run(plan, folder, SEED) == outcomes


def test_wear_is_the_way_that_the_joints_went(small):
    """Travel by an independent route: the sum of absolute differences of the recorded positions."""
    _, folder, outcomes = small
    data = load_dataset(folder / "sessions")
    way = [np.abs(np.diff(data.joint_position[data.session == n], axis=0)).sum() for n in (0, 1)]
    assert [one.wear.travel for one in outcomes] == pytest.approx(way, abs=1e-3)


def test_a_change_that_no_node_knows_is_refused():
    with pytest.raises(ConfigError, match=r"arm\.sed"):
        read_plan(scenario_file("panda"), {"arm.sed": 1})
    with pytest.raises(ConfigError, match="did you mean 'home_every'"):
        read_plan(scenario_file("panda"), {"executor.home_evry": 1})


def test_a_first_dataset_from_a_simulator_costs_no_robot_time_and_its_policy_begins(tmp_path):
    """A gain of 0.7 shows as velocity over command, in both sessions before turn 0 and in no later one."""
    changes = {**SMALL, "director.turns": 1, "director.window_s": 2.0, "first.windows": 2, "first.velocity_gain": 0.7}
    plan = read_plan(scenario_file("panda"), changes)
    (outcome,) = run(plan, tmp_path, SEED)
    assert outcome.robot_minutes == pytest.approx(2 / 60, abs=1e-4)
    assert outcome.transitions == 40
    data = load_dataset(tmp_path / "sessions")
    assert [(info.facts["turn"], info.facts["policy_turn"]) for info in data.sessions] == [(-2, -1), (-1, -1), (0, 0)]
    fast = np.abs(data.command) > 0.2
    gains = [
        np.median(data.next_joint_velocity[mine & fast] / data.command[mine & fast])
        for mine in ((data.session == n)[:, None] for n in range(3))
    ]
    np.testing.assert_allclose(gains, [0.7, 0.7, 1.0], atol=0.01)
    assert run(plan, tmp_path, SEED) == [outcome]
    assert len(load_dataset(tmp_path / "sessions").sessions) == 3
