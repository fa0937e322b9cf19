import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from turn_rl_ros.core.artifact import MAX_HEADER_BYTES, open_artifact, pack, read_metadata
from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.task import make_spec

SPEC = make_spec({"kind": "gridworld"})
PROBES = np.array([[2, 8], [12, 17], [0, 0]], dtype=np.float32)
FACTS = {"turn": 3, "algorithm": "cql"}


def table(best):
    """A linear Q function on one-hot cells whose arg max is `best` everywhere."""
    weights = np.zeros((1, 400, 5), dtype=np.float32)
    weights[..., best] = 1.0
    return {"w0": weights, "b0": np.zeros((1, 1, 5), dtype=np.float32), "one_hot": np.array([20, 20])}


@pytest.fixture(scope="module")
def blob():
    return pack("argmax_q", table(4), SPEC, PROBES, FACTS)


def test_what_was_packed_acts(blob):
    artifact = open_artifact(blob, SPEC)
    assert artifact.turn == 3
    assert [int(artifact.policy.act(probe)) for probe in PROBES] == [4, 4, 4]


def test_an_ensemble_acts_by_its_mean_value():
    two = {name: np.concatenate([table(1)[name], 3 * table(2)[name]]) for name in ("w0", "b0")}
    policy = open_artifact(pack("argmax_q", {**two, "one_hot": np.array([20, 20])}, SPEC, PROBES, FACTS), SPEC).policy
    np.testing.assert_allclose(policy.values(PROBES[0]), [0, 0.5, 1.5, 0, 0])


def test_a_tanh_policy_stays_in_its_bounds_and_normalises():
    spec = make_spec({"kind": "reach"}) if pytest.importorskip("pybullet_data") else None
    weights = {
        "w0": np.full((1, 20, 7), 1.0),
        "b0": np.zeros((1, 1, 7)),
        "obs_mean": np.full(20, 2.0),
        "obs_std": np.full(20, 4.0),
    }
    policy = open_artifact(pack("tanh_mlp", weights, spec, np.zeros((2, 20), dtype=np.float32), FACTS), spec).policy
    np.testing.assert_allclose(policy.act(np.full(20, 2.1, dtype=np.float32)), np.tanh(20 * 0.1 / 4.0), rtol=1e-5)
    np.testing.assert_allclose(policy.act(np.full(20, 1e4, dtype=np.float32)), 1.0)


def test_every_flipped_byte_of_the_weights_is_noticed_by_the_hash(blob):
    import hashlib

    sha256 = hashlib.sha256(blob).hexdigest()
    for at in range(0, len(blob), len(blob) // 50):
        damaged = bytearray(blob)
        damaged[at] ^= 0x10
        with pytest.raises(PolicyRejected):
            open_artifact(bytes(damaged), SPEC, sha256)


def test_truncated_anywhere_it_is_refused(blob):
    for size in [0, 7, 8, 100, len(blob) // 2, len(blob) - 1]:
        with pytest.raises(PolicyRejected):
            open_artifact(blob[:size], SPEC)


def test_a_policy_for_another_task_is_refused_with_both_fingerprints(blob):
    other = make_spec({"kind": "gridworld", "episode_steps": 100})
    with pytest.raises(PolicyRejected) as refused:
        open_artifact(blob, other)
    assert SPEC.fingerprint()[:12] in str(refused.value)
    assert other.fingerprint()[:12] in str(refused.value)


def test_a_policy_that_misses_its_probe_is_refused(blob):
    with pytest.raises(PolicyRejected, match="probe"):
        open_artifact(forge(blob, w0=table(1)["w0"]), SPEC)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value):
    weights = table(0)
    weights["w0"][0, 0, 0] = value
    with pytest.raises(PolicyRejected, match="not finite"):
        pack("argmax_q", weights, SPEC, PROBES, FACTS)


def test_layers_that_do_not_chain_are_refused():
    weights = {**table(0), "w1": np.zeros((1, 6, 5)), "b1": np.zeros((1, 1, 5))}
    with pytest.raises(PolicyRejected, match="layer 1 takes 6 inputs, it gets 5"):
        pack("argmax_q", weights, SPEC, PROBES, FACTS)


def test_the_store_finds_policies_by_turn_and_the_latest(tmp_path, blob):
    store = PolicyStore(tmp_path)
    assert store.latest() is None
    store.save(2, blob)
    newest = store.save(10, blob)
    assert store.latest() == newest
    assert store.find(2).read_bytes() == blob
    assert store.find(3) is None


def forge(blob, **changes):
    """The artifact with other tensors (or metadata, in `facts`), well formed, with a hash of its own."""
    facts = {**read_metadata(blob), **changes.pop("facts", {})}
    return save({**load(blob), **changes}, {"turn_rl": json.dumps(facts)})


def test_an_action_that_is_no_number_does_not_pass_for_the_probes(planar):
    """0 x inf: every weight is finite, the product is not, and NaN is no larger than any tolerance."""
    spec, blob = planar
    huge = np.full((1, 2, 2), 3e38, dtype=np.float32) * np.array([1, -1], dtype=np.float32)[:, None]
    forged = forge(blob, w0=huge, probe_observations=np.full((1, 2), 1e6, dtype=np.float32))
    with pytest.raises(PolicyRejected, match="its own probe's actions"):
        open_artifact(forged, spec)


def test_members_of_an_ensemble_are_of_one_number_in_every_layer(planar):
    spec, blob = planar
    more = {"w1": np.zeros((2, 2, 2), dtype=np.float32), "b1": np.zeros((2, 1, 2), dtype=np.float32)}
    with pytest.raises(PolicyRejected, match="layer 1 has 2 members, layer 0 has 1"):
        open_artifact(forge(blob, **more), spec)


@pytest.mark.parametrize("one_hot", [[20, -20], [0, 20], [20.5, 20], [1e9, 1e9], [20]])
def test_a_one_hot_that_counts_nothing_is_refused(blob, one_hot):
    with pytest.raises(PolicyRejected, match="one_hot"):
        open_artifact(forge(blob, one_hot=np.array(one_hot, dtype=np.float32)), SPEC)


def test_a_probe_of_many_observations_is_not_even_tried(blob):
    probe = {"probe_observations": np.zeros((65, 2), np.float32), "probe_actions": np.zeros((65, 1), np.float32)}
    with pytest.raises(PolicyRejected, match=r"shape \(65, 2\)"):
        open_artifact(forge(blob, **probe), SPEC)


@pytest.mark.parametrize("turn", [-1, 2**31, True, "3", None])
def test_a_turn_that_is_no_turn_is_refused(blob, turn):
    with pytest.raises(PolicyRejected, match="turn"):
        open_artifact(forge(blob, facts={"turn": turn}), SPEC)


def test_a_header_beyond_its_bound_is_refused_unread(blob):
    long = forge(blob, facts={"story": "x" * MAX_HEADER_BYTES})
    with pytest.raises(PolicyRejected, match="header claims"):
        open_artifact(long, SPEC)


@pytest.fixture(scope="module")
def planar():
    """A linear policy for two observations and two bounded actions."""
    values = json.loads(SPEC.to_json())
    bounds = {"names": ["a", "b"], "units": ["rad/s"] * 2, "low": [-1.0] * 2, "high": [1.0] * 2}
    spec = TaskSpec.from_json(json.dumps({**values, "action": bounds}))
    weights = {"w0": np.eye(2)[None], "b0": np.zeros((1, 1, 2)), "obs_mean": np.zeros(2), "obs_std": np.ones(2)}
    return spec, pack("tanh_mlp", weights, spec, np.ones((1, 2), dtype=np.float32), FACTS)
