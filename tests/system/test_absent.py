"""Runs in which PyBullet, or PyTorch, is really absent: an environment of links to all other installed packages."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment_without(folder, *prefixes):
    """PYTHONPATH for `python -S`: every installed package save those whose name begins with one of `prefixes`."""
    folder.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.lower().startswith(prefixes):
            (folder / entry.name).symlink_to(entry)
    return {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "ROS_DOMAIN_ID": str(201 + os.getpid() % 30),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def test_without_pybullet_the_demo_says_so_once_and_runs_the_gridworld(tmp_path):
    environment = environment_without(tmp_path / "site", "pybullet")
    check = [sys.executable, "-S", "-c", "import pybullet"]
    assert subprocess.run(check, env=environment, capture_output=True).returncode == 1, "it is still there"
    run_dir = tmp_path / "run"
    command = [sys.executable, "-S", "-m", "turn_rl_ros.cli", "demo", "--env", "panda", "--turns", "1", "--window", "5"]
    done = subprocess.run(
        [*command, "--run-dir", str(run_dir)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PyBullet cannot be imported") == 1
    assert "Traceback" not in done.stdout + done.stderr
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["env"] == "gridworld"
    assert summary["turns"][0]["transitions"] >= 95
    assert (run_dir / "report" / "index.html").exists()


def test_a_session_runs_on_a_computer_without_torch(graph, tmp_path):
    without = environment_without(tmp_path / "site", "torch", "functorch")
    graph.environment["PYTHONPATH"] = without["PYTHONPATH"]
    graph.python = [sys.executable, "-S"]
    check = [*graph.python, "-c", "import torch"]
    assert subprocess.run(check, env=graph.environment, capture_output=True).returncode == 1, "it is still there"
    small = {"director": {"turns": 1, "window_s": 5.0, "evaluate_goals": 0, "train": False}}
    params = graph.params("gridworld.yaml", {**small, "arm": {"real_time_factor": 0.0}})
    for node in ("arm", "executor", "guard", "collector", "director"):
        graph.start(node, params)
    assert graph.processes["director"].wait(100) == 0, graph.log("director")
    assert set(graph.stop().values()) == {0}
    assert json.loads((graph.run_dir / "summary.json").read_text())["turns"][0]["transitions"] >= 95
