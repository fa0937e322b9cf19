"""Which of the proposed actions acts, worked out by hand with linear networks on one observation element."""

import json

import numpy as np
import pytest

from turn_rl_ros.core.artifact import open_artifact, pack
from turn_rl_ros.core.best_of import BestOfPolicy
from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.policy import COMBINE
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec

PROBES = np.array([[0.0, 0.0], [1.0, -2.0]], dtype=np.float32)
NOISE = np.array([[-1.0], [0.5], [2.0]], dtype=np.float32)


@pytest.fixture
def spec():
    """Two observation elements, one action in [-2, 4]."""
    values = json.loads(make_spec({"kind": "gridworld"}).to_json())
    return TaskSpec.from_json(
        json.dumps({**values, "action": {"names": ["a"], "units": ["rad/s"], "low": [-2.0], "high": [4.0]}})
    )


def weights(*slopes, mean=0.1, log_std=0.0):
    """Members whose critics say slope * action; the actor's mean and deviation are the same everywhere."""
    members = len(slopes)
    critics = np.zeros((2 * members, 3, 1), np.float32)
    critics[:, 2, 0] = np.ravel(slopes)
    return {
        "w0": np.zeros((members, 2, 2), np.float32),
        "b0": np.tile(np.array([mean, log_std], np.float32), (members, 1, 1)),
        "qw0": critics,
        "qb0": np.zeros((2 * members, 1, 1), np.float32),
        "q_layer_norm": np.zeros(1, np.float32),
        "noise": NOISE,
        "obs_mean": np.zeros(2, np.float32),
        "obs_std": np.ones(2, np.float32),
    }


def act(arrays, spec):
    return float(BestOfPolicy(arrays, spec).act(PROBES[0])[0])


def scaled(before):
    """From before the tanh to the action's units: middle 1, half range 3."""
    return pytest.approx(1 + 3 * np.tanh(before), abs=1e-6)


@pytest.mark.parametrize(
    ("slopes", "before"),
    [((1.0, 1.0), 0.1 + 2.0), ((-1.0, -1.0), 0.1 - 1.0), ((1.0, -1.0), 0.1), ((2.0, 1.0), 0.1 + 2.0)],
)
def test_the_action_that_the_lesser_critic_values_most_acts(slopes, before, spec):
    """The proposals lie at 0.1, -0.9, 0.6 and 2.1 before the tanh; of slopes 1 and -1 the least |a| wins, the mean."""
    assert act(weights(slopes), spec) == scaled(before)


def test_samples_are_as_wide_as_the_policy_says(spec):
    assert act(weights((1.0, 1.0), log_std=np.log(0.5)), spec) == scaled(0.1 + 0.5 * 2.0)
    assert act(weights((1.0, 1.0), log_std=-20.0), spec) == scaled(0.1 + np.exp(-5.0) * 2.0)


def test_each_member_chooses_and_the_choices_are_combined(spec):
    members = weights((1.0, 1.0), (1.0, 1.0), (-1.0, -1.0))
    high, low = np.tanh(2.1), np.tanh(-0.9)
    assert act(members, spec) == pytest.approx(1 + 3 * (2 * high + low) / 3, abs=1e-6)
    median = {**members, "combine": np.array([COMBINE.index("median")], np.float32)}
    assert act(median, spec) == pytest.approx(1 + 3 * high, abs=1e-6)


def test_it_travels_with_its_noise_and_gives_the_same_action_again(spec):
    blob = pack("best_of_q", weights((1.0, 0.5)), spec, PROBES, {"turn": 1, "algorithm": "cql"})
    policy = open_artifact(blob, spec).policy
    assert float(policy.act(PROBES[1])[0]) == float(policy.act(PROBES[1])[0]) == scaled(2.1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"qw0": np.zeros((1, 3, 1), np.float32), "qb0": np.zeros((1, 1, 1), np.float32)}, "have 1 critics"),
        ({"qw0": np.zeros((2, 2, 1), np.float32)}, "takes 2 inputs"),
        ({"noise": np.zeros((3, 2), np.float32)}, "noise"),
        ({"noise": np.zeros((2**21, 1), np.float32)}, "may have"),
        ({"q_layer_norm": np.zeros(2, np.float32)}, "q_layer_norm"),
        ({"obs_std": np.zeros(2, np.float32)}, "obs_std"),
        ({"combine": np.array([COMBINE.index("vote")], np.float32)}, "vote"),
    ],
)
def test_what_does_not_fit_is_refused(change, why, spec):
    with pytest.raises(PolicyRejected, match=why):
        BestOfPolicy({**weights((1.0, 1.0)), **change}, spec)
