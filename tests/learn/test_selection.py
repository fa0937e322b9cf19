"""Ensembles, the gate, and what is delivered."""

from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.artifact import open_artifact, pack, read_metadata
from turn_rl_ros.core.errors import ConfigError, PolicyRejected
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Run
from turn_rl_ros.learn.selection import SelectionConfig, decide
from turn_rl_ros.learn.selection.ensemble import ensemble
from turn_rl_ros.learn.selection.fqe import Estimate
from turn_rl_ros.learn.selection.gate import gate
from turn_rl_ros.learn.selection.scores import initial_value
from turn_rl_ros.learn.train import Trained

STAY, UP, DOWN, LEFT, RIGHT = range(5)
TABULAR = TrainerConfig(one_hot=True, width=0, discount=0.5)
START = np.zeros(2, np.float32)


def grid_policy(spec, *columns, seed=0):
    """An artifact whose Q is `columns`: for each of S O R a list of five values."""
    weights = {
        "w0": np.array(columns, np.float32)[None],
        "b0": np.zeros((1, 1, 5), np.float32),
        "one_hot": np.array([1, 3], np.float32),
    }
    return pack("argmax_q", weights, spec, np.zeros((2, 2)), {"turn": 1, "algorithm": "discrete_cql", "seed": seed})


def acts(spec, *actions, seed=0):
    return grid_policy(spec, *(np.eye(5)[action] for action in actions), seed=seed)


def arm_policy(spec, *velocities, mean=0.0):
    """An artifact that always moves with the given share of full speed."""
    size = spec.observation.size
    weights = {
        "w0": np.zeros((1, size, 2), np.float32),
        "b0": np.arctanh(np.array(velocities, np.float32))[None, None],
        "obs_mean": np.full(size, mean, np.float32),
        "obs_std": np.ones(size, np.float32),
    }
    return pack("tanh_mlp", weights, spec, np.zeros((1, size)), {"turn": 1, "algorithm": "cql", "seed": 0})


def action_of(blob, spec, observation=START):
    return open_artifact(blob, spec).policy.act(observation)


def test_mean_and_median_action_of_arms(planar_spec):
    blobs = [arm_policy(planar_spec, first, 0.5) for first in (-0.9, 0.0, 0.3)]
    observation = np.zeros(planar_spec.observation.size, np.float32)
    np.testing.assert_allclose(
        action_of(ensemble(blobs, planar_spec, "mean"), planar_spec, observation), [-0.2, 0.5], atol=1e-6
    )
    np.testing.assert_allclose(
        action_of(ensemble(blobs, planar_spec, "median"), planar_spec, observation), [0.0, 0.5], atol=1e-6
    )


def test_mean_median_and_vote_of_grids_differ(corridor_spec):
    # Stay 10 0 0, up 2 3 3, left 3 2 2 (members in turn). Means 3.3 2.7 2.3; medians 0 3 2; arg max: stay, up, up.
    columns = [[10, 2, 0, 3, 0], [0, 3, 0, 2, 0], [0, 3, 0, 2, 0]]
    blobs = [grid_policy(corridor_spec, one, one, one) for one in columns]
    found = [int(action_of(ensemble(blobs, corridor_spec, how), corridor_spec)) for how in ("mean", "median", "vote")]
    assert found == [STAY, UP, UP]


def test_the_greater_mean_breaks_a_tied_vote(corridor_spec):
    # One vote for left, one for right; right's mean of (1 + 5) / 2 is more than left's of (4 + 0) / 2.
    blobs = [grid_policy(corridor_spec, one, one, one) for one in ([0, 0, 0, 4, 1], [0, 0, 0, 0, 5])]
    assert int(action_of(ensemble(blobs, corridor_spec, "vote"), corridor_spec)) == RIGHT


def test_arms_cannot_vote(planar_spec):
    with pytest.raises(PolicyRejected, match="vote"):
        ensemble([arm_policy(planar_spec, 0.1, 0.2)] * 2, planar_spec, "vote")


def test_policies_that_see_differently_make_no_ensemble(planar_spec):
    with pytest.raises(ConfigError, match="obs_mean differs"):
        ensemble([arm_policy(planar_spec, 0.1, 0.2), arm_policy(planar_spec, 0.1, 0.2, mean=1.0)], planar_spec, "mean")


@pytest.mark.parametrize("index", [3.0, -1.0, 0.5, np.nan])
def test_a_combination_that_does_not_exist_is_refused(corridor_spec, index):
    weights = {"w0": np.zeros((2, 2, 5)), "b0": np.zeros((2, 1, 5)), "combine": np.array([index])}
    with pytest.raises(PolicyRejected, match="combine"):
        pack("argmax_q", weights, corridor_spec, np.zeros((1, 2)), {"turn": 1, "algorithm": "x"})


def test_the_gate_compares_the_lower_bound_with_the_deployed_estimate():
    deployed = Estimate(2.0, 1.0, 3.0)
    assert gate(Estimate(2.5, 2.0, 3.0), deployed) == ""
    assert gate(Estimate(9.0, 1.9, 16.1), deployed) != ""
    assert gate(Estimate(-9.0, -10.0, -8.0), None) == ""


def trained_on(*blobs):
    return Trained(dict(enumerate(blobs)), [Run(seed, {}, {"td_error": 0.1}) for seed in range(len(blobs))])


def test_the_best_estimate_is_delivered_with_its_papers(corridor_spec, corridor_data):
    # Discount 1/2, starts S, O and R alike (each row is an episode): 5/3 to the right, 2/3 for staying.
    trained = trained_on(acts(corridor_spec, STAY, STAY, STAY), acts(corridor_spec, RIGHT, RIGHT, STAY, seed=1))
    done = decide(trained, corridor_data, TABULAR, SelectionConfig(deploy="estimate"))
    facts = read_metadata(done.blob)
    assert facts["seed"] == 1 and facts["estimate"] == pytest.approx(5 / 3, abs=1e-3)
    assert facts["estimate_low"] <= facts["estimate"] <= facts["estimate_high"]
    assert [one["value"] for one in done.story["candidates"]] == pytest.approx([2 / 3, 5 / 3], abs=1e-3)
    assert done.story["chosen"] == "seed 1" and done.story["delivered"]


def test_a_worse_policy_is_withheld_and_the_story_says_so(corridor_spec, corridor_data):
    good, bad = acts(corridor_spec, RIGHT, RIGHT, STAY), acts(corridor_spec, STAY, STAY, STAY)
    done = decide(trained_on(bad), corridor_data, TABULAR, SelectionConfig(gate=True), good)
    assert done.blob is None and not done.story["delivered"] and "withheld" in done.story["why"]
    assert done.story["deployed"]["value"] == pytest.approx(5 / 3, abs=1e-3)
    assert done.story["candidates"][0]["gain"] == pytest.approx(-1.0, abs=1e-3)
    assert int(action_of(done.chosen, corridor_spec)) == STAY


def test_without_a_gate_or_a_choice_the_bytes_stay_as_they_are(corridor_spec, corridor_data):
    blob = acts(corridor_spec, STAY, STAY, STAY)
    done = decide(trained_on(blob, blob), corridor_data, TABULAR, SelectionConfig(), blob)
    assert done.blob == blob and done.story["chosen"] == "seed 0"


def test_the_robot_rule_takes_the_seed_with_the_best_returns(corridor_spec, corridor_data):
    trained = trained_on(*(acts(corridor_spec, STAY, STAY, STAY, seed=seed) for seed in range(3)))
    rule = SelectionConfig(deploy="robot")
    done = decide(trained, corridor_data, TABULAR, rule, robot_returns={0: 1.0, 1: 3.0})
    assert read_metadata(done.blob)["seed"] == 1
    with pytest.raises(ConfigError, match="return on the robot"):
        decide(trained, corridor_data, TABULAR, rule)


def test_voting_on_velocities_is_a_mistake_of_the_configuration(planar_spec, planar_data):
    trained = trained_on(*[arm_policy(planar_spec, 0.1, 0.2)] * 2)
    with pytest.raises(ConfigError, match="average or median"):
        decide(trained, planar_data, TABULAR, SelectionConfig(deploy="vote"))


def test_all_seeds_can_be_delivered_as_one(corridor_spec, corridor_data):
    blobs = [acts(corridor_spec, move, move, move) for move in (STAY, RIGHT, RIGHT)]
    done = decide(trained_on(*blobs), corridor_data, TABULAR, SelectionConfig(deploy="vote"))
    assert int(action_of(done.blob, corridor_spec)) == RIGHT
    assert read_metadata(done.blob)["combine"] == "vote"


def test_a_policy_that_carries_its_values_is_asked_itself(corridor_spec, corridor_data):
    blob = grid_policy(corridor_spec, [1, 2, 0, 0, 0], [0, 0, 4, 0, 0], [6, 0, 0, 0, 0])
    policy = open_artifact(blob, corridor_spec).policy
    assert initial_value(policy, Run(0, {}, {"q_data": 1.0}), corridor_data) == pytest.approx((2 + 4 + 6) / 3)
    assert np.isnan(initial_value(policy, Run(0, {}, {"imitation": 1.0}), corridor_data))  # logits are no values


def test_estimates_go_by_their_own_discount(corridor_spec, corridor_data):
    # Discount 0.8 from S, O, R to the right: 4, 5, 5; a third of each.
    trained = trained_on(acts(corridor_spec, RIGHT, RIGHT, STAY), acts(corridor_spec, STAY, STAY, STAY))
    selection = replace(SelectionConfig(deploy="estimate"), estimate_discount=0.8)
    done = decide(trained, corridor_data, TABULAR, selection)
    assert done.story["candidates"][0]["value"] == pytest.approx(14 / 3, abs=2e-3)
