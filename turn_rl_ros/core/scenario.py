"""Scenario files: which one belongs to an environment, and a run's own copy with the user's overrides."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from turn_rl_ros.core.errors import ConfigError

SCENARIOS = {"panda": "panda_reach.yaml", "panda_ee": "panda_reach_ee.yaml", "gridworld": "gridworld.yaml"}
FALLBACK = "gridworld"


def choose_env(env: str) -> tuple[str, str]:
    """The environment that can run here, and a warning when it is not the one asked for.

    Raises:
        ConfigError: no such environment.
    """
    if env not in SCENARIOS:
        raise ConfigError(f"env = {env!r}; known: {', '.join(SCENARIOS)}")
    if env != FALLBACK and find_spec("pybullet") is None:
        return (
            FALLBACK,
            f"PyBullet cannot be imported, so {FALLBACK!r} runs instead of {env!r} (pip install pybullet)",
        )
    return env, ""


def scenario_file(env: str) -> Path:
    """The parameter file that ships for an environment, in a checkout or installed."""
    return shipped_file(SCENARIOS[env])


def shipped_file(name: str) -> Path:
    """A file of config/, in a checkout or installed. Raises ConfigError when it is not there."""
    places = [Path(__file__).parents[2] / "config", Path(sys.prefix) / "share" / "turn_rl_ros" / "config"]
    places += [parent / "share" / "turn_rl_ros" / "config" for parent in Path(__file__).parents]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{name} is not installed; give params_file")


def write_scenario(source: Path, target: Path, overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Copy a parameter file with `overrides[node][parameter]` on top: what a run used, in one file.

    Raises:
        ConfigError: the source cannot be read or the target not written.
    """
    try:
        tree = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read the parameter file {source}: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{source} is not a ROS parameter file: it has no '<node>: ros__parameters:' block")
    for node, values in overrides.items():
        key = next((k for k in tree if k == node or k.endswith(f"/{node}")), node)
        tree.setdefault(key, {}).setdefault("ros__parameters", {}).update(values)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"run_dir {target.parent} cannot be written ({error.strerror}); choose another run_dir"
        ) from error
