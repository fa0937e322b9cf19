"""The launch files, with the real `launch_ros`; skipped where ROS 2's launch system is not installed."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
from turn_rl_ros.core.hardware import STAND_IN
from turn_rl_ros.core.parameter_file import parameter_tree
from turn_rl_ros.core.turns import read_summary
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.launching import ARGUMENTS, TARGETS
from turn_rl_ros.launching_rosbag import ros2_bag_record

ROOT = Path(__file__).parents[1]
NODES = {
    "sim": ["arm", "guard", "executor", "collector", "trainer", "director"],
    "train": ["trainer"],
    "session": ["guard", "executor", "collector", "director"],
    "replay": ["collector", "shadow", "replay"],
    # The director comes after the checklist.
    "hardware": ["guard", "executor", "collector", "homing", "preflight", "stand_in"],
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
    given = {"robot": "ur10", "use_mock_hardware": "true"} if name == "hardware" else {"env": "gridworld"}
    if name == "replay":
        given |= {"source": str(tmp_path / "recorded"), "policy": __file__, "record": "true"}
    nodes = [a for a in started(name, run_dir=str(tmp_path), **given) if isinstance(a, Node)]
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


def test_a_bag_can_be_recorded_beside_each_session(tmp_path):
    names = [a._Node__node_name for a in started("sim", env="gridworld", run_dir=str(tmp_path), record="true")]
    assert names == ["recorder", *NODES["sim"]]
    assert scenario_section(tmp_path / "scenario.yaml", "recorder")["run_dir"] == str(tmp_path)


def test_without_rosbags_ros_records_what_our_recorder_would(tmp_path):
    started("sim", env="gridworld", run_dir=str(tmp_path))
    if importlib.util.find_spec("ros2bag") is None:
        with pytest.raises(ConfigError, match="needs rosbags"):
            ros2_bag_record(tmp_path, "turn_rl")
        return
    command = [part[0].text for part in ros2_bag_record(tmp_path, "turn_rl").cmd]
    assert {"/turn_rl/joint_states", "/turn_rl/forward_position_controller/commands", "/diagnostics"} <= set(command)


def test_a_replay_is_of_the_task_of_the_run_in_which_it_lies(tmp_path):
    """In a file of its own: the run's scenario stays as it was."""
    started("sim", env="gridworld", run_dir=str(tmp_path / "run"), seed="4")
    before = (tmp_path / "run" / "scenario.yaml").read_text()
    source = tmp_path / "run" / "sessions" / "session-1.h5"
    started("replay", source=str(source), run_dir=str(tmp_path / "again"), rate="0", start="2.5", record="true")
    made = tmp_path / "again" / "replay.yaml"
    assert scenario_section(made, "replay", "task") == scenario_section(
        tmp_path / "run" / "scenario.yaml", "arm", "task"
    )
    given = scenario_section(made, "replay")
    told = {"source": str(source), "rate": 0, "start_s": 2.5, "record": True, "listeners": 1, "use_sim_time": True}
    assert {name: given[name] for name in told} == told
    assert scenario_section(made, "collector")["run_dir"] == str(tmp_path / "again")
    assert (tmp_path / "run" / "scenario.yaml").read_text() == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "what is to be replayed"),
        ({"source": "/nowhere/recorded"}, "whose task is"),
        ({"source": "RUN", "record": "true", "run_dir": "RUN", "env": "gridworld"}, "record into another one"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(given, says, tmp_path):
    given = {name: value.replace("RUN", str(tmp_path)) for name, value in {"run_dir": "RUN/new", **given}.items()}
    with pytest.raises(ConfigError, match=says):
        started("replay", **given)


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


def test_only_what_may_comes_back_by_itself(tmp_path):
    """A guard, or an executor, that came back in mid-window would not know what went before."""
    given = {"robot": "ur10", "use_mock_hardware": "true", "run_dir": str(tmp_path)}
    nodes = [a for a in started("hardware", **given) if isinstance(a, Node)]
    assert [node._Node__node_name for node in nodes if node._ExecuteLocal__respawn] == ["homing"]


def test_a_real_arm_has_to_be_named(tmp_path):
    with pytest.raises(ConfigError, match="which arm"):
        started("hardware", run_dir=str(tmp_path))


def test_window_and_dry_run_reach_the_arm_s_scenario(tmp_path):
    given = {"robot": "panda", "use_mock_hardware": "true", "window": "10min", "dry_run": "true"}
    started("hardware", run_dir=str(tmp_path), **given)
    scenario = tmp_path / "dry_run" / "scenario.yaml"
    assert [scenario_section(scenario, node)["window_s"] for node in ("director", "guard", "preflight")] == [600.0] * 3
    assert (
        scenario_section(scenario, "guard")["dry_run"] and scenario_section(scenario, "guard")["use_sim_time"] is False
    )
    assert scenario_section(scenario, "collector")["run_dir"] == str(tmp_path / "dry_run")
    assert not (tmp_path / "scenario.yaml").exists()


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

    def launch(*arguments, timeout_s=300, domain=88):
        script = f'. "{space}/install/local_setup.sh" && exec "{sys.executable}" -c "{start}" launch turn_rl_ros "$@"'
        ours = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
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
    """Seven processes, two windows, two trainings; everything ends, cleanly, when the director is done.

    Then the run is replayed: a collector records the same sessions again, and the newest policy is compared.
    """
    run_dir, short = tmp_path / "run", f"params_file:={short_training}"
    done = ros2("sim.launch.py", short, "turns:=2", "window:=4", f"run_dir:={run_dir}", "record:=true")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said and "has died" not in said, said
    assert said.count("process has finished cleanly") == len(NODES["sim"]) + 1, said
    turns = read_summary(run_dir / "summary.json")["turns"]
    assert [turn["turn"] for turn in turns] == [0, 1]
    assert all(turn["robot_seconds"] == pytest.approx(4.0, abs=0.06) for turn in turns), turns
    assert len(list((run_dir / "sessions").glob("*.h5"))) == 2
    assert len(list((run_dir / "policies").glob("*.safetensors"))) == 2
    assert len(list((run_dir / "bags").glob("*/metadata.yaml"))) == 2

    again = tmp_path / "again"
    told = [f"source:={run_dir}", f"policy:={run_dir}", f"run_dir:={again}", "record:=true", "rate:=0"]
    done = ros2("replay.launch.py", *told)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and said.count("process has finished cleanly") == len(NODES["replay"]), said
    old, new = (sorted((run / "sessions").glob("*.h5")) for run in (run_dir, again))
    assert [read_rows(read_info(path)).tobytes() for path in new] == [
        read_rows(read_info(path)).tobytes() for path in old
    ]
    (compared,) = (again / "shadow").glob("*.jsonl")
    assert len(compared.read_text().splitlines()) > 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize("apart", ["namespaces", "domains"])
def test_two_arms_at_once_hear_only_their_own(ros2, tmp_path, apart):
    """A UR10 and a Panda, each a window of its own; one domain and two namespaces, or the other way round."""
    pytest.importorskip("pybullet", reason="the stand-in's arm needs PyBullet, which is not installed")
    arms = {"left": "ur10", "right": "panda"}

    def run(side):
        namespace, domain = (side, 88) if apart == "namespaces" else ("/", 88 + (side == "right"))
        given = (f"robot:={arms[side]}", f"namespace:={namespace}", f"run_dir:={tmp_path / side}")
        more = ("window:=3s", "use_mock_hardware:=true", "log_level:=warn")
        return ros2("hardware.launch.py", *given, *more, domain=domain)

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(arms, pool.map(run, arms), strict=True))
    for side, robot in arms.items():
        said = done[side].stdout + done[side].stderr
        assert done[side].returncode == 0 and "FAILED" not in said, said
        assert "window open" not in said, "the guard says that at the level info"
        (path,) = (tmp_path / side / "sessions").glob("*.h5")
        info = read_info(path)
        assert info.spec.robot == robot and info.rows > 40, said
        assert info.facts["stop_reason"] == "window used up"


def test_a_failed_checklist_opens_no_window(ros2, tmp_path):
    """No driver runs. The file names a URDF, so that the launch itself goes through."""
    pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with PyBullet, which is not installed")
    blocks = {"/**": {"task": STAND_IN["panda"]}, "/**/preflight": {"patience_s": 3.0}, "/**/guard": {"ledger": ""}}
    tree = {key: {"ros__parameters": values} for key, values in blocks.items()}
    based = {"based_on": str(tmp_path / "flat.yaml"), **tree}
    source = ROOT / "config" / "panda_hardware.yaml"
    (tmp_path / "flat.yaml").write_text(yaml.safe_dump(parameter_tree(source)), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(based), encoding="utf-8")
    done = ros2("hardware.launch.py", f"params_file:={tmp_path / 'mine.yaml'}", f"run_dir:={tmp_path / 'run'}")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "preflight failed: no window is opened" in said, said
    assert said.count("process has finished cleanly") == 4, said
    assert "FAILED  joint states" in said and "start the arm's driver" in said, said
    lines = {line["name"]: line["ok"] for line in json.loads((tmp_path / "run" / "preflight.json").read_text())}
    assert not lines["joint states"] and not lines["controller listens"] and lines["guard"]
    assert not list((tmp_path / "run" / "sessions").glob("*.h5*")) and not (tmp_path / "run" / "summary.json").exists()


def test_arguments_can_be_shown(ros2):
    shown = ros2("hardware.launch.py", "--show-args").stdout
    for name in ("robot", "window", "dry_run", "use_mock_hardware", "namespace", "log_level", "params_file"):
        assert f"'{name}':" in shown
    assert "such as 600, 90s or 10min" in shown and "['', 'panda', 'ur10']" in shown
