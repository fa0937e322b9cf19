"""Several policies of one training as one artifact: the study's open question of an average policy.

Members run side by side in the policy runtime; `core.policy.COMBINE` says how their outputs become one action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from turn_rl_ros.core.artifact import pack, read_metadata
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.policy import COMBINE
from turn_rl_ros.core.spec import TaskSpec

PACKED = ("format", "kind", "task_fingerprint")
"""Metadata that `pack` writes itself."""


@dataclass(frozen=True)
class Parts:
    """What an artifact was packed from."""

    kind: str
    weights: dict[str, NDArray[np.float32]]
    probes: NDArray[np.float32]
    facts: dict[str, Any]

    def pack(self, spec: TaskSpec, facts: Mapping[str, Any]) -> bytes:
        """The artifact again, with more facts in its metadata."""
        return pack(self.kind, self.weights, spec, self.probes, {**self.facts, **facts})


def unpack(blob: bytes) -> Parts:
    """Take an artifact apart. Raises PolicyRejected."""
    facts = read_metadata(blob)
    kind = str(facts["kind"])
    arrays = load(blob)
    probes = arrays.pop("probe_observations")
    del arrays["probe_actions"]
    return Parts(kind, arrays, probes, {name: value for name, value in facts.items() if name not in PACKED})


def ensemble(blobs: Sequence[bytes], spec: TaskSpec, combine: str) -> bytes:
    """One artifact of several.

    Args:
        blobs: artifacts of one training, one member or more each.
        spec: the task.
        combine: one of `core.policy.COMBINE`.

    Raises:
        ConfigError: the policies are of different kinds or see their input differently.
        PolicyRejected: they are not for this task, or `combine` is not for their kind.
    """
    parts = [unpack(blob) for blob in blobs]
    first = parts[0]
    if any(part.kind != first.kind or part.weights.keys() != first.weights.keys() for part in parts):
        raise ConfigError(f"these policies cannot be one ensemble: they are of kinds {[part.kind for part in parts]}")
    weights: dict[str, NDArray[np.float32]] = {}
    for name, array in first.weights.items():
        arrays = [part.weights[name] for part in parts]
        layer = array.ndim == 3  # what is not a layer says how all members see their input
        if any(one.shape[1:] != array.shape[1:] or not (layer or np.array_equal(one, array)) for one in arrays):
            raise ConfigError(f"these policies cannot be one ensemble: their {name} differs; train them together")
        weights[name] = np.concatenate(arrays) if layer else array
    weights["combine"] = np.array([COMBINE.index(combine)], np.float32)
    facts = {name: value for name, value in first.facts.items() if not name.startswith("last.")}
    seeds = [part.facts.get("seed") for part in parts]
    return pack(first.kind, weights, spec, first.probes, {**facts, "combine": combine, "seeds": seeds})
