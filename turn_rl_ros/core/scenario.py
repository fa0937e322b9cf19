"""Scenario files: which one belongs to an environment, and a run's own copy with the user's overrides."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.parameter_file import parameter_tree, shipped_file

SCENARIOS = {
    "panda": "panda_reach.yaml",
    "panda_ee": "panda_reach_ee.yaml",
    "panda_obstacle": "panda_obstacle.yaml",
    "iiwa": "iiwa_reach.yaml",
    "gridworld": "gridworld.yaml",
    "gridworld_maze": "gridworld_maze.yaml",
    "gridworld_slippery": "gridworld_slippery.yaml",
    "gridworld_open": "gridworld_open.yaml",
}
FALLBACK = "gridworld"


def choose_env(env: str) -> tuple[str, str]:
    """The environment that can run here, and a warning when it is not the one asked for.

    Raises:
        ConfigError: no such environment.
    """
    if env not in SCENARIOS:
        raise ConfigError(f"env = {env!r}; known: {', '.join(SCENARIOS)}")
    grid = scenario_section(scenario_file(env), "arm", "task")["kind"] == "gridworld"
    if not grid and find_spec("pybullet") is None:
        return (
            FALLBACK,
            f"PyBullet cannot be imported, so {FALLBACK!r} runs instead of {env!r} (pip install pybullet)",
        )
    return env, ""


def scenario_file(env: str) -> Path:
    """The parameter file that ships for an environment, in a checkout or installed."""
    return shipped_file(SCENARIOS[env])


def write_scenario(source: Path, target: Path, overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Copy a parameter file with `overrides[node][parameter]` on top: what a run used, in one file.

    Raises:
        ConfigError: the source cannot be read or the target not written.
    """
    tree = parameter_tree(source)
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
