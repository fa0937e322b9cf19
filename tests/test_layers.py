"""Dependencies point downwards only: nodes -> learn, data -> core, and the robot's computer needs no torch."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROS = {
    "rclpy", "launch", "launch_ros", "ament_index_python", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs",
    "lifecycle_msgs", "rcl_interfaces", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs",
}  # fmt: skip
BELOW = {
    "core": {"core"},
    "data": {"core", "data"},
    "learn": {"core", "data", "learn"},
    "report": {"core", "data", "report"},
    "nodes": {"core", "data", "learn", "report", "nodes"},
    "study": {"core", "data", "learn", "report", "study"},
    "commands": {"core", "data", "learn", "report", "study", "commands"},
}
"""Folder of turn_rl_ros -> the folders that it may import."""
DOOR = "turn_rl_ros/core/door.py"
ON_THE_ROBOT = ("executor", "guard", "collector")
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("turn_rl_ros", "sim") for path in (ROOT / top).rglob("*.py")
)


def imports(source, lazy=True):
    """Dotted names of all modules that a file imports; without `lazy`, only at module level."""
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if lazy else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tops(source):
    return {name.split(".")[0] for name in imports(source)}


def in_folder(*names):
    return [source for source in SOURCES if source.startswith(tuple(f"turn_rl_ros/{name}/" for name in names))]


def test_the_walk_sees_the_tree():
    assert len(in_folder("core")) > 10 and len(in_folder("nodes")) > 5


@pytest.mark.parametrize("source", in_folder("core", "data"))
def test_core_and_data_know_no_ros_torch_or_simulator(source):
    forbidden = ROS | {"torch", "pybullet", "pybullet_data"} | (set() if source == DOOR else {"sim"})
    assert not tops(source) & forbidden


@pytest.mark.parametrize("source", in_folder("learn", "report"))
def test_only_nodes_know_ros(source):
    assert not tops(source) & (ROS | {"pybullet", "sim"})


@pytest.mark.parametrize("source", in_folder(*BELOW))
def test_dependencies_point_downwards(source):
    folder = source.split("/")[1]
    ours = {name.split(".")[1] for name in imports(source) if name.startswith("turn_rl_ros.") and name.count(".") >= 2}
    assert ours - {"errors"} <= BELOW[folder]


def test_torch_lives_in_learn():
    outside = [s for s in SOURCES if "torch" in tops(s) and not s.startswith("turn_rl_ros/learn/")]
    assert not outside


def test_one_file_knows_pybullet():
    assert [source for source in SOURCES if {"pybullet", "pybullet_data"} & tops(source)] == ["sim/bullet.py"]


def test_the_simulator_imports_core_and_nothing_above_it():
    """The arm node and the stand-in are ROS nodes and may share topics, messages and spinning with the others."""
    for source in SOURCES:
        if source.startswith("sim/"):
            folders = {name.split(".")[1] for name in imports(source) if name.startswith("turn_rl_ros.")}
            assert folders <= ({"core", "nodes"} if source in ("sim/arm_node.py", "sim/stand_in.py") else {"core"}), (
                source
            )


@pytest.mark.parametrize("node", ON_THE_ROBOT)
def test_robot_nodes_run_without_torch(node, tmp_path):
    """In a process of their own where `import torch` fails, as on a computer that does not have it."""
    pytest.importorskip("rclpy", reason="rclpy is not installed (pip install '.[ros]')")
    code = f"""
import importlib, os, signal, sys, threading
sys.modules["torch"] = None
main = importlib.import_module("turn_rl_ros.nodes.{node}").main
threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
code = main(["--ros-args", "-p", "task.kind:=gridworld"])
assert not [name for name in sys.modules if name.startswith(("torch.", "turn_rl_ros.learn"))]
sys.exit(code)
"""
    # A domain of its own: no other run hears these nodes.
    ours = {**os.environ, "PYTHONPATH": str(ROOT), "ROS_DOMAIN_ID": "87", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
