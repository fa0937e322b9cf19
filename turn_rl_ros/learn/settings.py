"""How to learn, as a scenario file and a user's `name=value` pairs say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.learn.algorithms import find_algorithm
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.selection import SelectionConfig

OF_THE_NODE = {"run_dir", "seed", "private_key", "once", "use_sim_time"}
"""Parameters of the trainer node that say where it works, not how it learns."""


@dataclass(frozen=True)
class Settings:
    """Everything that `learn.job` needs to know about how to learn."""

    learning: TrainerConfig
    own: Any
    """Of the algorithm's `Config`."""
    selection: SelectionConfig


def read_settings(scenario: Path | None, discrete: bool, changes: Mapping[str, Any]) -> Settings:
    """The trainer's block of a scenario file (None: the papers' values) with `changes` on top.

    Args:
        scenario: a ROS parameter file.
        discrete: whether the task's actions are.
        changes: `seeds`, or `cql.alpha` for what only one algorithm has -> value.

    Raises:
        ConfigError: no such parameter, or a value that does not fit.
    """
    where = f"{scenario}, trainer" if scenario else "trainer"
    values = scenario_section(scenario, "trainer") if scenario else {}
    values = {name: value for name, value in values.items() if name not in OF_THE_NODE}
    values |= {name: value for name, value in changes.items() if "." not in name}
    values.setdefault("algorithm", "discrete_cql" if discrete else "cql")
    selecting = {item.name for item in fields(SelectionConfig)}
    learning = from_mapping(TrainerConfig, {k: v for k, v in values.items() if k not in selecting}, where)
    selection = from_mapping(SelectionConfig, {k: v for k, v in values.items() if k in selecting}, where)
    algorithm = find_algorithm(learning.algorithm, discrete)
    own = scenario_section(scenario, "trainer", algorithm.name) if scenario else {}
    for name, value in changes.items():
        block, dot, inner = name.partition(".")
        if dot and block != algorithm.name:
            raise ConfigError(f"{name}: the algorithm is {algorithm.name}, not {block}")
        if dot:
            own[inner] = value
    return Settings(learning, from_mapping(algorithm.Config, own, f"{where}.{algorithm.name}"), selection)


def parse_changes(pairs: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs as a mapping, values as YAML reads them. Raises ConfigError."""
    changes = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{pair!r} is not name=value, such as cql.alpha=0.1")
        try:
            changes[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"{pair!r}: the value cannot be read: {str(error).splitlines()[0]}") from error
    return changes
