"""The policy artifact: one safetensors blob with the weights and, as JSON metadata, where they come from.

Nothing in it is executed. `open_artifact` makes every check that must pass before a policy may move an arm, and each
size is held against its bound before anything of that size is allocated.
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
from turn_rl_ros.core.policies import POLICIES
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.spec import Box, TaskSpec

FORMAT = 1
MAX_BYTES = 16 * 2**20
"""Ten times an ensemble of five 2x256 networks; with the parser's copy of the weights, opening stays under 64 MiB."""
MAX_HEADER_BYTES = 2**18
"""Tensor table and metadata. As Python objects JSON takes up to 25 times its length."""
MAX_TENSORS, MAX_PROBES = 64, 64
PROBE_TOLERANCE = 1e-4
"""Largest difference allowed between a probe's recorded and recomputed action, in units of the action."""
RANGE_TOLERANCE = 1e-5
"""By how much float32 rounding may carry an action over its bound, in units of the action."""


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
        kind: key of `policies.POLICIES`.
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
    return _read_header(blob)[0]


def open_artifact(blob: bytes, spec: TaskSpec, sha256: str = "") -> Artifact:
    """Check everything and give the policy.

    Args:
        blob: the artifact.
        spec: the task at hand.
        sha256: what the sender says the hash is; empty when nobody says.

    Raises:
        PolicyRejected: size, hash, task, shapes, finiteness, action range or probe do not hold; says which.
    """
    _check_size(blob)
    actual = hashlib.sha256(blob).hexdigest()
    if sha256 and sha256 != actual:
        raise PolicyRejected(f"sha256 is {actual[:12]}, the sender said {sha256[:12]}: damaged on the way")
    facts, table = _read_header(blob)
    if facts.get("task_fingerprint") != spec.fingerprint():
        raise PolicyRejected(
            f"the policy was trained for task {_short(str(facts.get('task_fingerprint'))[:12])}, "
            f"this robot runs {spec.fingerprint()[:12]}"
        )
    kind, turn = facts.get("kind"), facts.get("turn")
    if not isinstance(kind, str) or kind not in POLICIES or type(turn) is not int or not 0 <= turn < 2**31:
        raise PolicyRejected(f"unknown policy kind {_short(kind)} or turn {_short(turn)}")
    _check_table(table)
    try:
        arrays = load(blob)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PolicyRejected(f"the weights cannot be read ({_short(error, 200)})") from error
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise PolicyRejected(f"{_short(name)} is {array.dtype} or has values that are not finite")
    with np.errstate(all="ignore"):  # what overflows is refused by its value, in one line
        policy = POLICIES[kind](arrays, spec)
        _probe(policy, arrays, spec)
    return Artifact(policy, facts, actual)


def _check_size(blob: bytes) -> None:
    if not 8 <= len(blob) <= MAX_BYTES:
        raise PolicyRejected(f"the artifact has {len(blob)} bytes; at most {MAX_BYTES} are taken")


def _read_header(blob: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and tensor table: 8 bytes of length, then that much JSON (the safetensors format)."""
    _check_size(blob)
    size = int.from_bytes(blob[:8], "little")
    if size > min(MAX_HEADER_BYTES, len(blob) - 8):
        raise PolicyRejected(f"the artifact's header claims {size} bytes; at most {MAX_HEADER_BYTES} are taken")
    try:
        table = json.loads(blob[8 : 8 + size])
        facts = json.loads(table.pop("__metadata__")["turn_rl"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PolicyRejected(f"the artifact has no readable metadata ({type(error).__name__})") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise PolicyRejected(f"the artifact is not of format {FORMAT}")
    return facts, table


def _check_table(table: dict[str, Any]) -> None:
    """What safetensors itself does not ask: how many tensors there are, and that each is one to three-dimensional."""
    if len(table) > MAX_TENSORS:
        raise PolicyRejected(f"the artifact has {len(table)} tensors; at most {MAX_TENSORS} are taken")
    for name, entry in table.items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not 1 <= len(shape) <= 3 or not all(type(n) is int and n > 0 for n in shape):
            raise PolicyRejected(f"{_short(name)} has shape {_short(shape)}, not one to three positive numbers")


def _short(value: Any, length: int = 40) -> str:
    """A stranger's value in a line of ours."""
    text = "".join(character if character.isprintable() else "?" for character in str(value)[: length + 1])
    return text if len(text) <= length else f"{text[:length]}..."


def _probe(policy: Policy, arrays: Mapping[str, NDArray], spec: TaskSpec) -> None:
    observations, actions = arrays.get("probe_observations"), arrays.get("probe_actions")
    if observations is None or actions is None or len(observations) != len(actions):
        raise PolicyRejected("the artifact has no probe")
    if observations.ndim != 2 or observations.shape[1] != spec.observation.size or len(observations) > MAX_PROBES:
        raise PolicyRejected(f"the probe's observations have shape {observations.shape}")
    got = np.array([policy.act(o) for o in observations], dtype=np.float32).reshape(len(observations), -1)
    # Asked this way round, a NaN is a difference too.
    if got.shape != actions.shape or not (np.abs(got - actions) <= PROBE_TOLERANCE).all():
        raise PolicyRejected("the policy does not give its own probe's actions: damaged, or made for another runtime")
    if isinstance(spec.action, Box):
        low, high = np.array(spec.action.low) - RANGE_TOLERANCE, np.array(spec.action.high) + RANGE_TOLERANCE
        if ((got < low) | (got > high)).any():
            raise PolicyRejected("the probe's actions leave the action range")
