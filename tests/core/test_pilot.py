import numpy as np
import pytest

from turn_rl_ros.core.behaviour import HOMING, make_behaviour
from turn_rl_ros.core.decision import NO_EPISODE
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.pilot import Pilot, PilotConfig, Ticker
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec, make_task


class Still:
    """Always action zero."""

    def __init__(self, shape=(7,)):
        self.shape = shape

    def begin(self, episode):
        pass

    def act(self, observation):
        return np.zeros(self.shape), 5


def test_the_arm_goes_home_before_an_episode_and_home_is_recorded_as_one():
    pytest.importorskip("pybullet_data")
    task = make_task(make_spec({"kind": "reach", "episode_steps": 2}))
    pilot = Pilot(task, PilotConfig(homing_speed=1.0), Still())
    position = task.home + np.array([0.5, 0, 0, 0, 0, 0, 0])
    decisions = []
    for tick in range(40):
        decision = pilot.tick(position, np.zeros(7), tick)
        position = position + 0.05 * decision.command
        decisions.append(decision)
        if decision.behaviour == 5 and decision.step == 1:
            break
    assert decisions[0].command[0] == -1.0, "5/s times 0.5 rad is more than the homing speed"
    assert {d.behaviour for d in decisions if d.episode == 0} == {HOMING}
    assert [(d.episode, d.step, d.behaviour) for d in decisions[-2:]] == [(1, 0, 5), (1, 1, 5)]
    assert np.abs(position - task.home).max() <= 0.05


def test_joints_go_home_one_after_the_other_where_the_way_is_blocked():
    """A guard that lets nothing through: five ticks without motion, and the next joint goes alone."""
    pytest.importorskip("pybullet_data")
    task = make_task(make_spec({"kind": "reach"}))
    pilot = Pilot(task, PilotConfig(homing_speed=1.0), Still())
    moving = [np.flatnonzero(pilot.tick(task.home + 0.5, np.zeros(7), tick).command).tolist() for tick in range(27)]
    assert moving == [list(range(7))] * 5 + [[0]] * 5 + [[1]] * 5 + [[2]] * 5 + [[3]] * 5 + [[4]] * 2


def test_a_blocked_way_home_is_found_around_the_floor():
    """Seed 4's first session once stood at the floor for 48 of its 60 s: the straight way home led through it."""
    pytest.importorskip("pybullet")
    env = make_env(make_spec({"kind": "reach"}))
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng([4, 0, 0]))
    guard = Guard(env.task_spec, GuardConfig(min_height=0.0))
    rows = run_session(env, behaviour, 400, PilotConfig(seed=4), guard)
    env.close()
    assert rows[-1].episode > 8, "episode 7 is the way home that was blocked"


def test_goals_are_new_for_each_episode_and_the_same_for_the_same_seed():
    pytest.importorskip("pybullet_data")
    task = make_task(make_spec({"kind": "reach", "episode_steps": 1}))
    runs = []
    for _ in range(2):
        pilot = Pilot(task, PilotConfig(seed=4), Still())
        runs.append([pilot.tick(task.home, np.zeros(7), tick).goal.tolist() for tick in range(5)])
    assert runs[0] == runs[1]
    assert len({tuple(goal) for goal in runs[0]}) == 5


def test_a_position_controlled_arm_is_held_until_its_home_service_brought_it_there():
    task = make_task(make_spec({"kind": "gridworld", "episode_steps": 3}))
    pilot = Pilot(task, PilotConfig(), Still(()))
    away = task.home + 0.3
    decision = pilot.tick(away, np.zeros(2), 0)
    assert pilot.wants_home and decision.episode == NO_EPISODE
    np.testing.assert_array_equal(decision.command, away)
    assert pilot.tick(task.home, np.zeros(2), 1).step == 0
    assert not pilot.wants_home


def test_under_velocity_control_the_home_service_can_do_it_and_no_episode_begins_before_it_is_done():
    """At home already, but with the joints still away: the guard's commands would not be heard."""
    pytest.importorskip("pybullet_data")
    task = make_task(make_spec({"kind": "reach", "episode_steps": 1}))
    pilot = Pilot(task, PilotConfig(homing="service"), Still())
    away = pilot.tick(task.home + 0.3, np.zeros(7), 0)
    assert pilot.wants_home and away.episode == NO_EPISODE and not away.command.any()
    pilot.home_busy = True
    assert pilot.tick(task.home, np.zeros(7), 1).episode == NO_EPISODE
    pilot.home_busy = False
    assert pilot.tick(task.home, np.zeros(7), 2).behaviour == 5
    pilot.home_busy = True
    assert pilot.tick(task.home, np.zeros(7), 3).episode == NO_EPISODE, "before the next episode too"
    assert pilot.wants_home


def test_one_state_in_25_is_answered_at_500_hz_states_and_20_hz_control():
    ticker = Ticker(50_000_000)
    assert [k for k in range(101) if ticker.due(k * 2_000_000)] == [0, 25, 50, 75, 100]


def test_jittering_stamps_keep_the_rate():
    ticker = Ticker(50_000_000)
    rng = np.random.default_rng(0)
    stamps = np.arange(0, 10_000) * 2_000_000 + rng.integers(-400_000, 400_000, 10_000)
    assert sum(ticker.due(int(s)) for s in stamps) == pytest.approx(400, abs=1)


def test_a_pause_does_not_cause_a_burst():
    ticker = Ticker(50_000_000)
    ticker.due(0)
    assert ticker.due(1_000_000_000)
    assert not ticker.due(1_002_000_000)
