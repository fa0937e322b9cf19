import math

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import EXPLORING, HOMING, POLICY, RANDOM
from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.rollback import Returns, Trial, TrialConfig, chance
from turn_rl_ros.core.task import make_spec, make_task


def decision(episode, behaviour=POLICY, goal=(0, 0, 0), intervention=0):
    return Decision(0, episode, 0, behaviour, np.array(goal, dtype=float), np.zeros(2), intervention)


def test_the_worst_split_of_all_has_the_chance_of_one_split():
    """Five new episodes all below five old ones: one of the 10 over 5 = 252 ways to choose them."""
    assert chance([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]) == pytest.approx(1 / math.comb(10, 5), abs=0.002)


def test_a_median_split_is_as_likely_as_not():
    assert 0.4 < chance(range(0, 40, 2), range(1, 40, 2)) < 0.7


def test_without_an_old_policy_nothing_is_worse():
    assert chance([], [-1000.0]) == 1.0


def test_two_old_episodes_can_never_condemn_five_new_ones():
    """7 over 2 = 21 splits: the smallest chance is 0.048."""
    assert chance([0.0, 0.0], [-1e9] * 5) > 0.03


def test_an_equal_policy_is_rolled_back_no_oftener_than_the_level_says():
    """Skewed returns, most good and a few failures, ten old episodes: at 1 %, 1,000 trials give 10 +- 3."""
    rng = np.random.default_rng(3)

    def draw(count):
        return -50.0 * (rng.random(count) < 0.2) - rng.random(count)

    verdicts = [chance(draw(10), draw(5)) <= 0.01 for _ in range(1000)]
    assert sum(verdicts) <= 20


def judge(trial, *returns):
    return [trial.episode(value) for value in returns]


def test_a_worse_policy_is_judged_once_after_its_first_episodes():
    trial = Trial(TrialConfig(trial_episodes=5), [-10.0, -11.0, -9.0, -10.5, -9.5] * 3)
    assert judge(trial, -40, -42, -41, -45) == [""] * 4
    verdict = trial.episode(-44)
    assert "its first 5 episodes returned -42.40 on average, those of the policy before -10.00" in verdict
    assert trial.over and trial.episode(-100) == ""


def test_a_better_policy_stays():
    assert judge(Trial(TrialConfig(trial_episodes=3), [-10.0] * 20), -9, -8, -9) == [""] * 3


def test_a_policy_that_the_guard_must_correct_goes_whatever_it_returns():
    trial = Trial(TrialConfig(trial_episodes=2, trial_interventions=0.5), [])
    for tick in range(10):
        trial.executed(decision(0, EXPLORING, intervention=2 if tick < 6 else 0))
    trial.executed(decision(NO_EPISODE, 0, intervention=32))  # a hold is nobody's
    trial.executed(decision(1, HOMING, intervention=2))
    trial.executed(decision(2, RANDOM, intervention=2))
    assert judge(trial, 0, 0)[-1] == "the guard changed 60 % of the commands of its first 2 episodes"


@pytest.fixture
def task():
    return make_task(make_spec({"kind": "gridworld", "episode_steps": 3}))


def feed(returns, task, *steps):
    """(episode, behaviour, place) a tick; what each tick gives back."""
    goal = task.sample_goal(np.random.default_rng(0))
    return [returns.tick(np.asarray(place), decision(episode, who, goal)) for episode, who, place in steps]


def test_the_return_is_the_sum_of_the_rewards_of_the_states_after_each_action(task):
    """Reward 1 for a state in the goal's cell: of the three states after the three actions, two are."""
    goal = task.sample_goal(np.random.default_rng(0))[:2]
    given = feed(Returns(task), task, (7, POLICY, goal), (7, POLICY, task.home), (7, POLICY, goal), (8, HOMING, goal))
    assert given == [None, None, None, 2.0]


@pytest.mark.parametrize(("behaviour", "ticks"), [(RANDOM, 3), (HOMING, 3), (POLICY, 2)])
def test_random_episodes_ways_home_and_cut_episodes_are_left_out(task, behaviour, ticks):
    steps = [(0, behaviour, task.home)] * ticks + [(1, POLICY, task.home)]
    assert feed(Returns(task), task, *steps) == [None] * (ticks + 1)
