"""What replay.launch.py starts: the replay of a recording, and who listens to it."""

from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.scenario import SCENARIOS, scenario_file, write_scenario
from turn_rl_ros.launching import make_node
from turn_rl_ros.report.target import find_policy

REPLAY: dict[str, tuple[str, str]] = {
    "source": ("", "what to replay: a session file, a directory of sessions, a run directory, or a bag"),
    "mapping": ("", "mapping file of a bag, as `turn-rl bag mapping` drafts it"),
    "env": ("", f"environment whose task it is: {', '.join(SCENARIOS)}; empty: that of the run in which source lies"),
    "params_file": ("", "parameter file with the task, instead of env"),
    "rate": ("1.0", "recorded seconds a second; 0: as fast as a collector keeps up"),
    "start": ("0.0", "recorded time that is left out at the beginning, in seconds"),
    "loop": ("false", "true: begin anew at the end"),
    "paused": ("false", "true: begin paused; the service replay/pause goes on"),
    "record": ("false", "true: a collector records it anew, into run_dir/sessions"),
    "policy": ("", "policy file, or run directory, to compare with what was done; into run_dir/shadow"),
    "run_dir": ("runs/replay", "where new sessions and comparisons go"),
    "namespace": ("turn_rl", "ROS namespace of every node; a real arm must not be in it"),
    "log_level": ("info", "what the nodes log: debug, info, warn, error"),
}
"""Argument of replay.launch.py -> (default, description)."""


def replay_arguments() -> list[DeclareLaunchArgument]:
    """The arguments of replay.launch.py."""
    return [DeclareLaunchArgument(n, default_value=value, description=text) for n, (value, text) in REPLAY.items()]


def replay() -> OpaqueFunction:
    """The replay, a collector and a shadow where they are asked for; everything ends with the replay."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        given = {name: LaunchConfiguration(name).perform(context) for name in REPLAY}
        if not given["source"]:
            raise ConfigError("what is to be replayed? Give source:=, a session file, a run directory or a bag")
        source, run_dir = (Path(given[name]).expanduser().resolve() for name in ("source", "run_dir"))
        record = bool(yaml.safe_load(given["record"]))
        if record and run_dir / "sessions" in (source, source.parent, source / "sessions"):
            raise ConfigError(f"run_dir {run_dir} is the run that is replayed; record into another one")
        names = [*(["collector"] if record else []), *(["shadow"] if given["policy"] else []), "replay"]
        scenario = run_dir / "replay.yaml"
        write_scenario(_task_of(given, source), scenario, _parameters(given, source, run_dir, len(names) - 1))
        ends = {"replay": Shutdown()}
        return [make_node(name, given, [str(scenario)], ends.get(name)) for name in names]

    return OpaqueFunction(function=start)


def _task_of(given: dict[str, str], source: Path) -> Path:
    """The parameter file: what is said, or the scenario of the run in which the recording lies. Raises ConfigError."""
    if given["params_file"]:
        return Path(given["params_file"]).expanduser()
    if given["env"]:
        return scenario_file(given["env"])
    beside = [folder / "scenario.yaml" for folder in (source, *source.parents[:2])]
    found = next((path for path in beside if path.is_file()), None)
    if found is None:
        raise ConfigError(f"whose task is {source}? It lies in no run directory: give env:= or params_file:=")
    return found


def _parameters(given: dict[str, str], source: Path, run_dir: Path, listeners: int) -> dict[str, dict[str, Any]]:
    """What the arguments put on top of the parameter file, as node -> parameter -> value."""
    said = {name: yaml.safe_load(given[name]) for name in ("rate", "loop", "paused", "record")}
    where = {"source": str(source), "mapping": given["mapping"], "start_s": yaml.safe_load(given["start"])}
    shadow = {"run_dir": str(run_dir)}
    if given["policy"]:
        shadow["policy"] = str(find_policy(Path(given["policy"]).expanduser()))
    return {
        "/**": {"use_sim_time": True, **_rate_of(given, source)},
        "replay": {**where, **said, "listeners": listeners},
        "collector": {"run_dir": str(run_dir)},
        "shadow": shadow,
    }


def _rate_of(given: dict[str, str], source: Path) -> dict[str, Any]:
    """The task at the control rate of the mapping, where that names one: it stands in for the task's own."""
    if not given["mapping"]:
        return {}
    from turn_rl_ros.data.bags.mapping import read_mapping  # an optional extra

    rate_hz = read_mapping(Path(given["mapping"]).expanduser()).rate_hz
    task = scenario_section(_task_of(given, source), "replay", "task")
    return {"task": {**task, "rate_hz": rate_hz}} if rate_hz else {}
