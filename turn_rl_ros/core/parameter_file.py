"""ROS 2 parameter files as trees, also those that name only what differs from another one."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from turn_rl_ros.core.errors import ConfigError

BASED_ON = "based_on"
"""Key beside the nodes: the file that holds everything else, beside this one or among those that ship in config/."""


def shipped_file(name: str) -> Path:
    """A file of config/, in a checkout or installed. Raises ConfigError when it is not there."""
    places = [Path(__file__).parents[2] / "config", Path(sys.prefix) / "share" / "turn_rl_ros" / "config"]
    places += [parent / "share" / "turn_rl_ros" / "config" for parent in Path(__file__).parents]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{name} is not installed; give params_file")


def parameter_tree(path: Path, through: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The blocks `<node>: ros__parameters: ...` of a file, laid over those of the file that it is based on.

    Args:
        path: the file.
        through: the files that led to it, each based on the next.

    Raises:
        ConfigError: a file is missing, is not a parameter file, or is based on itself.
    """
    tree = _read(path)
    if BASED_ON not in tree:
        return tree
    name = str(tree.pop(BASED_ON))
    beside = path.parent / name
    base = beside if beside.is_file() else shipped_file(name)
    if base in (*through, path):
        raise ConfigError(f"{path} is based on {name}, which is based on {path.name}; name another one")
    return _laid_over(parameter_tree(base, (*through, path)), tree)


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the parameter file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} is not a ROS parameter file: it has no '<node>: ros__parameters:' block")
    return tree


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` where it says something, else `below`; blocks are gone through, lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged
