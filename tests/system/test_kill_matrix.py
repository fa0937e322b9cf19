"""One round of the kill matrix on the executor and on the collector; `make kill-matrix` plays fifty of each of all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (pip install 'turn_rl_ros[ros]')")
pytest.importorskip("pybullet", reason="PyBullet is not installed")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("victim", ["executor", "collector"])
def test_the_arm_rests_the_data_is_whole_and_the_turn_goes_on(tmp_path, victim):
    command = [sys.executable, "-m", "benchmarks.kill_matrix", "--rounds", "1", "--only", victim]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "results" / "kill-matrix.json").read_text())["rows"]
    assert len(rows) >= 10
    assert all(row["met"] for row in rows)
