"""What the launch files share: their arguments, the run's own scenario file, and the nodes that read it.

Only `ros2 launch` imports this; `launch` and `launch_ros` come with a ROS 2 installation, not from PyPI.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.guard.guard import GuardConfig
from turn_rl_ros.core.scenario import SCENARIOS, choose_env, scenario_file, shipped_file, write_scenario
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.turns import TurnsConfig

PACKAGE = "turn_rl_ros"
AS_IN_FILE = "empty: as in the parameter file"

ARGUMENTS: dict[str, tuple[str, str]] = {
    "env": ("panda", "environment: names the parameter file that ships for it"),
    "params_file": ("", "parameter file to use instead of the one of env"),
    "run_dir": (
        "runs/latest",
        "run directory: sessions, policies, summary.json, report; an unfinished run resumes",
    ),
    "turns": ("", f"turns to walk, each one session and one training ({AS_IN_FILE})"),
    "window": ("", f"robot time of each session, in seconds ({AS_IN_FILE})"),
    "seed": ("", f"seed of goals, exploration, training and slip ({AS_IN_FILE})"),
    "rate": ("", f"control rate, in Hz ({AS_IN_FILE})"),
    "real_time_factor": ("", f"1 is real time, 0 as fast as the nodes answer, in lockstep ({AS_IN_FILE})"),
    "namespace": ("turn_rl", "ROS namespace of every node; keeps a simulated arm out of a real one's"),
    "use_sim_time": ("", f"true: nodes follow /clock ({AS_IN_FILE})"),
}
"""Launch argument -> (default, description)."""

TARGETS: dict[str, tuple[tuple[str, str], ...]] = {
    "turns": (("director", "turns"),),
    "window": (("director", "window_s"), ("guard", "window_s")),
    "seed": (("arm", "seed"), ("executor", "seed"), ("trainer", "seed")),
    "real_time_factor": (("arm", "real_time_factor"),),
    "run_dir": tuple((node, "run_dir") for node in ("guard", "executor", "collector", "trainer", "director")),
    "use_sim_time": (("/**", "use_sim_time"),),
}
"""Launch argument -> the (node, parameter) pairs that it sets."""

Overrides = dict[str, dict[str, Any]]


def arguments(*names: str, **defaults: str) -> list[DeclareLaunchArgument]:
    """The launch arguments of these names, with other default values where given."""
    declared = []
    for name in names:
        default, description = ARGUMENTS[name]
        default = defaults.get(name, default)
        choices = sorted({default, *SCENARIOS}) if name == "env" else None
        if name == "env" and not default:
            description += "; empty: what the run began with"
        declared.append(DeclareLaunchArgument(name, default_value=default, description=description, choices=choices))
    return declared


def nodes(*names: str, ends: str, extra: Callable[[Path], Overrides] | None = None) -> OpaqueFunction:
    """Start these nodes; when the node `ends` exits, everything shuts down.

    What the launch arguments say goes into RUN/scenario.yaml, so that a run directory tells how it came about, and
    every node reads that file. `extra` takes the run directory and gives what only this launch file adds to it.
    """

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        given = {name: LaunchConfiguration(name, default="").perform(context) for name in ARGUMENTS}
        run_dir = Path(given["run_dir"]).expanduser()
        source, warning = parameter_file(given, run_dir, simulated="arm" in names)
        write_scenario(source, run_dir / "scenario.yaml", overrides(given, source))
        refuse_bad(run_dir / "scenario.yaml")
        for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):  # Fast DDS 2 and 3
            os.environ.setdefault(variable, str(shipped_file("fastdds.xml")))
        added = extra(run_dir) if extra else {}
        if warning:
            get_logger("launch").warning(warning)
        actions: list[LaunchDescriptionEntity] = []
        for name in names:
            parameters = [str(run_dir / "scenario.yaml"), *([added[name]] if name in added else [])]
            actions.append(_node(name, given["namespace"], parameters, Shutdown() if name == ends else None))
        return actions

    return OpaqueFunction(function=start)


def parameter_file(given: Mapping[str, str], run_dir: Path, simulated: bool) -> tuple[Path, str]:
    """Where parameters come from, and a warning when that is not the environment asked for.

    In this order: params_file, the file of env, the scenario that the run began with, the default environment's.
    """
    if given["params_file"]:
        return Path(given["params_file"]).expanduser(), ""
    begun = run_dir / "scenario.yaml"
    if not given["env"] and begun.is_file():
        return begun, ""
    env = given["env"] or ARGUMENTS["env"][0]
    env, warning = choose_env(env) if simulated else (env, "")
    return scenario_file(env), warning


def overrides(given: Mapping[str, str], source: Path) -> Overrides:
    """What launch arguments put on top of `source`, as node -> parameter -> value; empty ones say nothing."""
    result: Overrides = {}
    for name, targets in TARGETS.items():
        for node, parameter in targets if given[name] else ():
            result.setdefault(node, {})[parameter] = yaml.safe_load(given[name])
    if given["rate"]:
        task = {**scenario_section(source, "executor", "task"), "rate_hz": yaml.safe_load(given["rate"])}
        result.setdefault("/**", {})["task"] = task
    return result


def refuse_bad(scenario: Path) -> None:
    """Raise ConfigError for what the user can get wrong, before half the nodes are up and the rest in their imports."""
    for node, kind in (("director", TurnsConfig), ("guard", GuardConfig)):
        values = scenario_section(scenario, node)
        values.pop("use_sim_time", None)
        from_mapping(kind, values, node)
    make_spec(scenario_section(scenario, "guard", "task"))


def _node(name: str, namespace: str, parameters: list[Any], on_exit: Shutdown | None) -> Node:
    return Node(
        package=PACKAGE,
        executable=name,
        name=name,
        namespace=namespace,
        parameters=parameters,
        output="screen",
        on_exit=on_exit,
        # A window that closes on Ctrl-C still has rows to flush and a file to seal.
        sigterm_timeout="20",
    )
