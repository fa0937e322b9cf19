"""The policy artifact: one safetensors blob with the weights and, as JSON metadata, where they come from.

Nothing in it is executed. `open_artifact` makes every check that must pass before a policy may move an arm.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.policy import POLICIES, Policy
from turn_rl_ros.core.spec import Box, TaskSpec

FORMAT = 1
MAX_BYTES = 64 * 2**20
PROBE_TOLERANCE = 1e-4
"""Largest difference allowed between a probe's recorded and recomputed action, in units of the action."""


@dataclass(frozen=True)
class Artifact:
    """A checked policy and its papers.

    `metadata` has: format, kind, task_fingerprint, turn, algorithm, data_sha256 (of the training data's manifest),
    transitions, steps, seed, created_utc, and whatever else the trainer reports (flat JSON values).
    """

    policy: Policy
    metadata: Mapping[str, Any]
    sha256: str

    @property
    def turn(self) -> int:
        """The turn whose session this policy is for; 1 is the first trained one."""
        return int(self.metadata["turn"])


def pack(
    kind: str, weights: Mapping[str, NDArray], spec: TaskSpec, probes: NDArray[np.float32], metadata: Mapping[str, Any]
) -> bytes:
    """Serialise a policy.

    Args:
        kind: key of `policy.POLICIES`.
        weights: arrays as that policy takes them; stored as float32.
        spec: the task.
        probes: (n, observation.size) observations whose actions the receiver must reproduce.
        metadata: JSON values; at least `turn` and `algorithm`.

    Raises:
        PolicyRejected: the policy would not pass its own check.
    """
    arrays = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}
    policy = POLICIES[kind](arrays, spec)
    observations = np.ascontiguousarray(probes, dtype=np.float32)
    arrays["probe_observations"] = observations
    arrays["probe_actions"] = np.array([policy.act(o) for o in observations], dtype=np.float32).reshape(
        len(observations), -1
    )
    facts = {"format": FORMAT, "kind": kind, "task_fingerprint": spec.fingerprint(), **metadata}
    blob = save(arrays, {"turn_rl": json.dumps(facts, sort_keys=True, allow_nan=False)})
    open_artifact(blob, spec)
    return blob


def read_metadata(blob: bytes) -> dict[str, Any]:
    """The JSON metadata of an artifact, unchecked against any task. Raises PolicyRejected."""
    if not 8 <= len(blob) <= MAX_BYTES:
        raise PolicyRejected(f"the artifact has {len(blob)} bytes; at most {MAX_BYTES} are taken")
    size = int.from_bytes(blob[:8], "little")
    try:
        facts = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"]["turn_rl"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PolicyRejected(f"the artifact has no readable metadata ({type(error).__name__})") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise PolicyRejected(f"the artifact is not of format {FORMAT}")
    return facts


def open_artifact(blob: bytes, spec: TaskSpec, sha256: str = "") -> Artifact:
    """Check everything and give the policy.

    Args:
        blob: the artifact.
        spec: the task at hand.
        sha256: what the sender says the hash is; empty when nobody says.

    Raises:
        PolicyRejected: hash, task, shapes, finiteness, action range or probe do not hold; says which.
    """
    facts = read_metadata(blob)
    actual = hashlib.sha256(blob).hexdigest()
    if sha256 and sha256 != actual:
        raise PolicyRejected(f"sha256 is {actual[:12]}, the sender said {sha256[:12]}: damaged on the way")
    if facts.get("task_fingerprint") != spec.fingerprint():
        raise PolicyRejected(
            f"the policy was trained for task {str(facts.get('task_fingerprint'))[:12]}, "
            f"this robot runs {spec.fingerprint()[:12]}"
        )
    if facts.get("kind") not in POLICIES or not isinstance(facts.get("turn"), int):
        raise PolicyRejected(f"unknown policy kind {facts.get('kind')!r} or turn {facts.get('turn')!r}")
    try:
        arrays = load(blob)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PolicyRejected(f"the weights cannot be read ({error})") from error
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise PolicyRejected(f"{name} is {array.dtype} or has values that are not finite")
    policy = POLICIES[facts["kind"]](arrays, spec)
    _probe(policy, arrays, spec)
    return Artifact(policy, facts, actual)


def _probe(policy: Policy, arrays: Mapping[str, NDArray], spec: TaskSpec) -> None:
    observations, actions = arrays.get("probe_observations"), arrays.get("probe_actions")
    if observations is None or actions is None or not len(observations) or len(observations) != len(actions):
        raise PolicyRejected("the artifact has no probe")
    if observations.ndim != 2 or observations.shape[1] != spec.observation.size:
        raise PolicyRejected(f"the probe's observations have shape {observations.shape}")
    got = np.array([policy.act(o) for o in observations], dtype=np.float32).reshape(len(observations), -1)
    if got.shape != actions.shape or np.abs(got - actions).max() > PROBE_TOLERANCE:
        raise PolicyRejected("the policy does not give its own probe's actions: damaged, or made for another runtime")
    if (
        isinstance(spec.action, Box)
        and ((got < np.array(spec.action.low) - 1e-5) | (got > np.array(spec.action.high) + 1e-5)).any()
    ):
        raise PolicyRejected("the probe's actions leave the action range")
