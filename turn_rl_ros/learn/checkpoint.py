"""Where a training stood, on disk: after a kill it goes on from there as if nothing had happened."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from turn_rl_ros.core.files import replace_file

FORMAT = 1


def fingerprint(facts: Mapping[str, Any]) -> str:
    """One hash over everything that a resumed run must have in common with the cut one; `facts` are JSON values."""
    facts = {**facts, "format": FORMAT, "torch": torch.__version__}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace the checkpoint; a kill at any moment leaves the old one or the new one. Raises OSError."""
    blob = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {"facts": json.dumps(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, blob)


def read_checkpoint(path: Path, wanted: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of the checkpoint; None when there is none, it is damaged, or of another run than `wanted`."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            if facts["fingerprint"] != wanted:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
