"""The launch files, with the real `launch_ros`; skipped where ROS 2's launch system is not installed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("launch_ros", reason="launch_ros is not installed; it comes with ROS 2, not from PyPI")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch_ros.actions import Node

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.turns import read_summary
from turn_rl_ros.launching import ARGUMENTS, TARGETS

ROOT = Path(__file__).parents[1]
NODES = {
    "sim": ["arm", "guard", "executor", "collector", "trainer", "director"],
    "train": ["trainer"],
    "session": ["guard", "executor", "collector", "director"],
}


def description(name):
    return get_launch_description_from_python_launch_file(str(ROOT / "launch" / f"{name}.launch.py"))


def started(name, **given):
    """The launch actions that a launch file comes to with these arguments, and the context they ran in."""
    context = LaunchContext()
    actions = []
    for entity in description(name).entities:
        if isinstance(entity, DeclareLaunchArgument):
            context.launch_configurations[entity.name] = given.get(entity.name, entity.default_value[0].text)
        elif isinstance(entity, OpaqueFunction):
            actions += entity.execute(context)
    return actions


def test_every_launch_file_is_known_here():
    assert {path.name for path in (ROOT / "launch").iterdir() if path.is_file()} == {f"{n}.launch.py" for n in NODES}


@pytest.mark.parametrize("name", NODES)
def test_arguments_have_descriptions(name):
    declared = [entity for entity in description(name).entities if isinstance(entity, DeclareLaunchArgument)]
    assert declared and all(len(argument.description) > 10 for argument in declared)
    if name == "sim":
        assert {argument.name for argument in declared} == set(ARGUMENTS)


@pytest.mark.parametrize("name", NODES)
def test_which_nodes_start(name, tmp_path):
    nodes = [a for a in started(name, env="gridworld", run_dir=str(tmp_path)) if isinstance(a, Node)]
    assert [node._Node__node_name for node in nodes] == NODES[name]


def test_arguments_reach_the_run_s_own_scenario_file(tmp_path):
    given = {"turns": "3", "window": "7.5", "seed": "4", "rate": "10", "real_time_factor": "2", "use_sim_time": "false"}
    started("sim", env="gridworld", run_dir=str(tmp_path), **given)
    scenario = tmp_path / "scenario.yaml"
    assert scenario_section(scenario, "director")["turns"] == 3
    assert scenario_section(scenario, "director")["window_s"] == 7.5
    assert scenario_section(scenario, "director")["run_dir"] == str(tmp_path)
    assert scenario_section(scenario, "arm")["real_time_factor"] == 2
    assert [scenario_section(scenario, node)["seed"] for node in ("arm", "executor", "trainer")] == [4, 4, 4]
    assert scenario_section(scenario, "guard")["use_sim_time"] is False
    task = scenario_section(scenario, "guard", "task")
    assert task["rate_hz"] == 10 and task["world"] == "turn_based_20x20"


def test_every_target_is_a_parameter_of_the_shipped_files():
    for pairs in TARGETS.values():
        for node, parameter in pairs:
            source = ROOT / "config" / "panda_reach.yaml"
            assert parameter in scenario_section(source, "guard" if node == "/**" else node)


def test_training_goes_on_with_what_the_run_began_with(tmp_path):
    started("sim", env="gridworld", run_dir=str(tmp_path), seed="4")
    started("train", run_dir=str(tmp_path))
    assert scenario_section(tmp_path / "scenario.yaml", "trainer", "task")["kind"] == "gridworld"
    assert scenario_section(tmp_path / "scenario.yaml", "trainer")["seed"] == 4


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [("window", "0", "window_s = 0.0 is outside"), ("turns", "many", "turns must be a number")],
)
def test_bad_arguments_are_refused_before_any_node_starts(argument, value, says, tmp_path):
    with pytest.raises(ConfigError, match=says):
        started("sim", env="gridworld", run_dir=str(tmp_path), **{argument: value})


@pytest.fixture(scope="module")
def ros2(tmp_path_factory):
    """Runs `ros2 launch turn_rl_ros ...` on a colcon install of this checkout, in a domain of its own."""
    if importlib.util.find_spec("ros2launch") is None or importlib.util.find_spec("colcon_ros") is None:
        pytest.skip("ros2launch or colcon is not installed")
    space = tmp_path_factory.mktemp("launch")
    left_out = shutil.ignore_patterns(".*", "build", "install", "log", "runs", "results", "*.egg-info", "__pycache__")
    source = shutil.copytree(ROOT, space / "src" / "turn_rl_ros", ignore=left_out)
    colcon = [sys.executable, "-m", "colcon", "build", "--paths", str(source)]
    subprocess.run(colcon, cwd=space, check=True, capture_output=True, timeout=200)
    start = "from ros2cli.cli import main; raise SystemExit(main())"

    def launch(*arguments, timeout_s=300):
        script = f'. "{space}/install/local_setup.sh" && exec "{sys.executable}" -c "{start}" launch turn_rl_ros "$@"'
        ours = {**os.environ, "ROS_DOMAIN_ID": "88", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        command = ["sh", "-c", script, "sh", *arguments]
        return subprocess.run(command, cwd=space, env=ours, capture_output=True, text=True, timeout=timeout_s)

    return launch


@pytest.fixture
def short_training(tmp_path):
    """The GridWorld's parameter file with trainings of 50 steps, scored on 2 goals."""
    tree = yaml.safe_load((ROOT / "config" / "gridworld.yaml").read_text(encoding="utf-8"))
    tree["/**/trainer"]["ros__parameters"]["steps"] = 50
    tree["/**/director"]["ros__parameters"]["evaluate_goals"] = 2
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return tmp_path / "short.yaml"


@pytest.mark.timeout(600)
def test_two_turns_of_the_grid_world_end_to_end(ros2, tmp_path, short_training):
    """Six processes, two windows, two trainings; everything ends, cleanly, when the director is done."""
    run_dir = tmp_path / "run"
    done = ros2("sim.launch.py", f"params_file:={short_training}", "turns:=2", "window:=4", f"run_dir:={run_dir}")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said and "has died" not in said, said
    assert said.count("process has finished cleanly") == len(NODES["sim"]), said
    turns = read_summary(run_dir / "summary.json")["turns"]
    assert [turn["turn"] for turn in turns] == [0, 1]
    assert all(turn["robot_seconds"] == pytest.approx(4.0, abs=0.06) for turn in turns), turns
    assert len(list((run_dir / "sessions").glob("*.h5"))) == 2
    assert len(list((run_dir / "policies").glob("*.safetensors"))) == 2
