"""The task spec: what a session, a dataset and a policy must agree on before they may meet."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turn_rl_ros.core.errors import SpecMismatch, TurnRlError


@dataclass(frozen=True)
class Box:
    """A bounded vector. `names`, `units`, `low` and `high` have one entry an element."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.names)

    def validate(self, value: ArrayLike) -> NDArray[np.float32]:
        """`value` as (size,) float32; raises TurnRlError that names the element that is not finite."""
        array = np.asarray(value, dtype=np.float32)
        if array.shape != (self.size,):
            raise TurnRlError(f"expected {self.size} values ({', '.join(self.names)}), got shape {array.shape}")
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise TurnRlError(f"{self.names[bad[0]]} is {array[bad[0]]}")
        return array


@dataclass(frozen=True)
class Discrete:
    """A finite set of actions; an action is the index of its name."""

    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of actions."""
        return len(self.names)


@dataclass(frozen=True)
class TaskSpec:
    """Everything that makes two recordings comparable. Angles in rad, lengths in m, rates in Hz.

    `details` holds the rest of the task (goal region, reward, kinematic chain, world) as plain JSON values, so that
    observations and rewards can be worked out again from a session file alone.
    """

    task: str
    robot: str
    joint_names: tuple[str, ...]
    joint_low: tuple[float, ...]
    joint_high: tuple[float, ...]
    joint_velocity: tuple[float, ...]
    joint_units: tuple[str, ...]
    command_interface: str
    observation: Box
    action: Box | Discrete
    rate_hz: float
    episode_steps: int
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def discrete(self) -> bool:
        """Whether actions are indices."""
        return isinstance(self.action, Discrete)

    @property
    def period_s(self) -> float:
        """Control period in seconds."""
        return 1.0 / self.rate_hz

    @property
    def period_ns(self) -> int:
        """Control period in nanoseconds."""
        return round(1e9 / self.rate_hz)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, shortest float that reads back the same."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "TaskSpec":
        """Inverse of `to_json`; raises TurnRlError when the text is no task spec."""
        try:
            values: dict[str, Any] = json.loads(text)
            action, observation = values.pop("action"), values.pop("observation")
            spaces = {key: tuple(value) for key, value in action.items()}
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(
                action=Box(**spaces) if "low" in spaces else Discrete(**spaces),
                observation=Box(**{key: tuple(value) for key, value in observation.items()}),
                **fields,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TurnRlError(f"not a task spec: {error}") from error

    def fingerprint(self) -> str:
        """sha256 of the canonical JSON, as 64 hexadecimal digits."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def require_same(self, other: "TaskSpec", what: str) -> None:
        """Raise SpecMismatch, naming both fingerprints and the first field that differs, unless `other` equals this."""
        if self.fingerprint() == other.fingerprint():
            return
        where = first_difference(json.loads(self.to_json()), json.loads(other.to_json()))
        raise SpecMismatch(
            f"{what} was made for task {other.fingerprint()[:12]}, this is {self.fingerprint()[:12]}; "
            f"first difference: {where}"
        )


def first_difference(ours: Any, theirs: Any, path: str = "") -> str:
    """Where two JSON values first differ, as 'path: ours, theirs'; empty when they are equal."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs)):
            found = first_difference(ours.get(key), theirs.get(key), f"{path}.{key}" if path else key)
            if found:
                return found
        return ""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            found = first_difference(*pair, f"{path}[{index}]")
            if found:
                return found
        return ""
    return "" if ours == theirs else f"{path}: here {ours!r}, there {theirs!r}"
