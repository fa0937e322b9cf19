"""Frozen configuration dataclasses: every parameter once, with description, unit and range.

The same classes feed ROS parameters (`nodes/params.py`), scenario files in `config/` and in-process studies,
so a value cannot mean two things. An unknown key is an error: a typo must not train, or move an arm, happily.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, TypeVar

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.parameter_file import parameter_tree

Config = TypeVar("Config")


def param(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A dataclass field that knows its description, unit and closed range [low, high] (None: no bound)."""
    metadata = {"description": description, "unit": unit, "low": low, "high": high, "choices": tuple(choices)}
    return field(default=default, metadata=metadata)


def from_mapping(kind: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """Build a `kind` from plain values, refusing what it does not know.

    Args:
        kind: a frozen dataclass made of `param` fields.
        values: field name -> value, as YAML or ROS parameters give them.
        where: what to call the source in an error, such as "config/panda_reach.yaml, guard".

    Raises:
        ConfigError: an unknown key, a value of the wrong type, not finite, or out of range.
    """
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    prefix = f"{where}: " if where else ""
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
            raise ConfigError(f"{prefix}{kind.__name__} has no parameter {name!r}; {hint}")
    checked = {name: check(known[name], value, prefix) for name, value in values.items()}
    return kind(**checked)


def default_of(item: Field) -> Any:
    """The default of a `param` field."""
    if item.default is MISSING:
        raise ConfigError(f"parameter {item.name!r} has no default")
    return item.default


def check(item: Field, value: Any, prefix: str = "") -> Any:
    """`value` as the type of the field's default, or a ConfigError that names field, value and range."""
    default = default_of(item)
    name = f"{prefix}{item.name}"
    if isinstance(default, tuple):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{name} must be a list, not {value!r}")
        element = default[0] if default else 0.0
        return tuple(_scalar(item, element, one, name) for one in value)
    return _scalar(item, default, value, name)


def _scalar(item: Field, default: Any, value: Any, name: str) -> Any:
    low, high = item.metadata["low"], item.metadata["high"]
    choices, unit = item.metadata["choices"], item.metadata["unit"]
    if isinstance(default, bool | str):
        if not isinstance(value, type(default)):
            raise ConfigError(f"{name} must be a {type(default).__name__}, not {value!r}")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number, not {value!r}")
    elif isinstance(default, int):
        if value != int(value):
            raise ConfigError(f"{name} must be a whole number, not {value!r}")
        value = int(value)
    else:
        value = float(value)
        if not math.isfinite(value):
            raise ConfigError(f"{name} must be finite, not {value!r}")
    if choices and value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
        raise ConfigError(f"{name} = {value} is outside {span} {unit}".rstrip())
    return value


def scenario_section(path: Path, node: str, prefix: str = "") -> dict[str, Any]:
    """Parameters of one node in a ROS 2 parameter file, `/**` first, then the node's own on top.

    Args:
        path: a ROS parameter file (`<node>: ros__parameters: ...`).
        node: node name without namespace, such as "guard".
        prefix: keep only the nested block of this name ("task" keeps `task.*`), without the prefix; without a
            prefix nested blocks are left out.

    Raises:
        ConfigError: the file is missing or is not a parameter file.
    """
    tree = parameter_tree(path)
    merged: dict[str, Any] = {}
    for key in ("/**", node, f"/{node}", f"/**/{node}"):
        values = (tree.get(key) or {}).get("ros__parameters") or {}
        block = values.get(prefix) or {} if prefix else values
        merged.update({k: v for k, v in block.items() if not isinstance(v, dict)})
    return merged
