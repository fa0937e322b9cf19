import json

import numpy as np
import pytest

from turn_rl_ros.core.artifact import open_artifact, pack, read_metadata
from turn_rl_ros.core.errors import PolicyRejected
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
    from safetensors.numpy import load, save

    arrays = load(blob)
    arrays["w0"] = table(1)["w0"]
    forged = save(arrays, {"turn_rl": json.dumps(read_metadata(blob))})
    with pytest.raises(PolicyRejected, match="probe"):
        open_artifact(forged, SPEC)


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
