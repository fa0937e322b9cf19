"""What the launch files share: their arguments, the run's own scenario file, and the nodes that read it.

Only `ros2 launch` imports this; `launch` and `launch_ros` come with a ROS 2 installation, not from PyPI.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.guard.guard import GuardConfig
from turn_rl_ros.core.hardware import HARDWARE, dry_run_folder, on_the_arm
from turn_rl_ros.core.scenario import SCENARIOS, choose_env, scenario_file, shipped_file, write_scenario
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.times import seconds
from turn_rl_ros.core.turns import TurnsConfig, read_summary
from turn_rl_ros.launching_rosbag import ros2_bag_record
from turn_rl_ros.nodes.description import fetch_description

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
    "window": ("", f"robot time of each session, such as 600, 90s or 10min ({AS_IN_FILE})"),
    "seed": ("", f"seed of goals, exploration, training and slip ({AS_IN_FILE})"),
    "rate": ("", f"control rate, in Hz ({AS_IN_FILE})"),
    "real_time_factor": ("", f"1 is real time, 0 as fast as the nodes answer, in lockstep ({AS_IN_FILE})"),
    "namespace": ("turn_rl", "ROS namespace of every node; keeps a simulated arm out of a real one's"),
    "use_sim_time": ("", f"true: nodes follow /clock ({AS_IN_FILE})"),
    "record": ("false", "true: an MCAP bag of each window beside its session, in RUN/bags"),
    "log_level": ("info", "what the nodes log: debug, info, warn, error"),
}
"""Launch argument -> (default, description)."""

ON_THE_ARM: dict[str, tuple[str, str]] = {
    "robot": ("", "real arm: names the parameter file that ships for it"),
    "dry_run": ("false", "true: everything but the command; recorded apart, in RUN/dry_run"),
    "use_mock_hardware": ("false", "true: a simulated stand-in takes the place of the arm's driver"),
}
"""Arguments of hardware.launch.py alone."""

TARGETS: dict[str, tuple[tuple[str, str], ...]] = {
    "turns": (("director", "turns"),),
    "window": (("director", "window_s"), ("guard", "window_s")),
    "seed": (("arm", "seed"), ("executor", "seed"), ("trainer", "seed")),
    "real_time_factor": (("arm", "real_time_factor"),),
    "run_dir": tuple(
        (node, "run_dir") for node in ("guard", "executor", "collector", "trainer", "sync", "director", "recorder")
    ),
    "use_sim_time": (("/**", "use_sim_time"),),
}
"""Launch argument -> the (node, parameter) pairs that it sets."""

Overrides = dict[str, dict[str, Any]]


def arguments(*names: str, **defaults: str) -> list[DeclareLaunchArgument]:
    """The launch arguments of these names, with other default values where given."""
    declared = []
    for name in names:
        default, description = (ARGUMENTS | ON_THE_ARM)[name]
        default = defaults.get(name, default)
        known = {"env": {default, *SCENARIOS}, "robot": {default, *HARDWARE}}
        known |= {flag: {"true", "false"} for flag in ("dry_run", "use_mock_hardware", "record")}
        choices = sorted(known[name]) if name in known else None
        if name == "env" and not default:
            description += "; empty: what the run began with"
        declared.append(DeclareLaunchArgument(name, default_value=default, description=description, choices=choices))
    return declared


def nodes(
    *names: str, ends: str, extra: Callable[[Path], Overrides] | None = None, gate: str | None = None
) -> OpaqueFunction:
    """Start these nodes; when the node `ends` exits, everything shuts down.

    What the launch arguments say goes into RUN/scenario.yaml, so that a run directory tells how it came about, and
    every node reads that file. `extra` takes the run directory and gives what only this launch file adds to it. The
    node `ends` starts only once the node `gate` has ended well; if that one fails, everything shuts down.
    """

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        given = {name: LaunchConfiguration(name, default="").perform(context) for name in ARGUMENTS | ON_THE_ARM}
        run_dir = Path(given["run_dir"]).expanduser()
        dry, mock = (yaml.safe_load(given[name] or "false") for name in ("dry_run", "use_mock_hardware"))
        if dry:
            run_dir = dry_run_folder(run_dir)
            given["run_dir"] = str(run_dir)
        if gate and not (given["robot"] or given["params_file"] or (run_dir / "scenario.yaml").is_file()):
            raise ConfigError(f"which arm? Give robot:=, one of {', '.join(HARDWARE)}, or params_file:=")
        source, warning = parameter_file(given, run_dir, simulated="arm" in names)
        changes = overrides(given, source)
        if gate:
            fetch = partial(fetch_description, namespace=given["namespace"])
            on_the_arm(changes, source, run_dir, fetch, dry=dry, mock=mock)
        write_scenario(source, run_dir / "scenario.yaml", changes)
        refuse_bad(run_dir / "scenario.yaml")
        for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):  # Fast DDS 2 and 3
            os.environ.setdefault(variable, str(shipped_file("fastdds.xml")))
        added = extra(run_dir) if extra else {}
        if warning:
            get_logger("launch").warning(warning)
        actions: dict[str, LaunchDescriptionEntity] = {}
        if yaml.safe_load(given["record"] or "false"):  # first: the window does not wait for it
            actions["recorder"] = (
                make_node("recorder", given, [str(run_dir / "scenario.yaml")], None)
                if find_spec("rosbags")
                else ros2_bag_record(run_dir, given["namespace"])
            )
        for name in (*names, *(["stand_in"] if mock else [])):
            parameters = [str(run_dir / "scenario.yaml"), *([added[name]] if name in added else [])]
            actions[name] = make_node(name, given, parameters, Shutdown() if name == ends else None)
        return _gated(actions, gate, ends) if gate else list(actions.values())

    return OpaqueFunction(function=start)


def _gated(actions: dict[str, LaunchDescriptionEntity], gate: str, ends: str) -> list[LaunchDescriptionEntity]:
    """All but `ends`, which waits for the exit code 0 of `gate`."""
    last = actions.pop(ends)

    def decide(event: ProcessExited, context: LaunchContext) -> LaunchDescriptionEntity:
        if event.returncode:  # an exception ends the launch with the exit code 1; Shutdown would say 0
            raise TurnRlError(f"{gate} failed: no window is opened")
        return last

    handler = OnProcessExit(target_action=actions[gate], on_exit=decide)  # type: ignore[arg-type]
    return [RegisterEventHandler(handler), *actions.values()]


def one_more(run_dir: Path) -> Overrides:
    """Walk one turn further than the run has come; training and scoring happen elsewhere."""
    done = len(read_summary(run_dir / "summary.json").get("turns", []))
    return {"director": {"turns": done + 1, "train": False, "evaluate_goals": 0}}


def parameter_file(given: Mapping[str, str], run_dir: Path, simulated: bool) -> tuple[Path, str]:
    """Where parameters come from, and a warning when that is not the environment asked for.

    In this order: params_file, the file of robot, that of env, the scenario that the run began with, the default
    environment's.
    """
    if given["params_file"]:
        return Path(given["params_file"]).expanduser(), ""
    if given.get("robot"):
        return shipped_file(HARDWARE[given["robot"]]), ""
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
            value = seconds(given[name], name) if name == "window" else yaml.safe_load(given[name])
            result.setdefault(node, {})[parameter] = value
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


def make_node(name: str, given: Mapping[str, str], parameters: list[Any], on_exit: Shutdown | None) -> Node:
    """A node of this package; `given` has its namespace and log level."""
    return Node(
        package=PACKAGE,
        executable=name,
        name=name,
        namespace=given["namespace"],
        parameters=parameters,
        ros_arguments=["--log-level", given["log_level"]] if given["log_level"] else None,
        output="screen",
        on_exit=on_exit,
        # It holds nothing that a second start could forget. A guard that came back would have a window to itself.
        respawn=name == "homing",
        # A window that closes on Ctrl-C still has rows to flush and a file to seal.
        sigterm_timeout="20",
    )
