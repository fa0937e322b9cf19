"""`turn-rl demo` as a user runs it: Ctrl-C in the window and in the training, then the same command again."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (pip install 'turn_rl_ros[ros]')")
COMMAND = [sys.executable, "-m", "turn_rl_ros.cli", "demo", "--env", "gridworld", "--turns", "1", "--window", "120"]
TICKS = 120 * 20


def demo(run_dir):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("ROS_DOMAIN_ID", None)
    return subprocess.Popen(
        [*COMMAND, "--run-dir", str(run_dir)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(true, process, seconds=100):
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(process, code):
    said, _ = process.communicate(timeout=150)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def rows_of(run_dir):
    rows = []
    for path in sorted((run_dir / "sessions").glob("*.h5")):
        with h5py.File(path) as file:
            rows.append(len(file["rewards"]))
    return rows


def test_ctrl_c_in_the_window_and_in_the_training_cost_nothing(tmp_path):
    run_dir = tmp_path / "run"
    sessions = run_dir / "sessions"

    first = demo(run_dir)
    wait_for(lambda: any(part.stat().st_size > 14_000 for part in sessions.glob("*.part")), first)
    first.send_signal(signal.SIGINT)
    assert "resume" in finish(first, 130)
    assert not list(sessions.glob("*.part")), "sealed"
    (cut,) = rows_of(run_dir)
    assert 0 < cut < TICKS - 20

    second = demo(run_dir)
    wait_for(lambda: len(list(sessions.glob("*.h5"))) == 2, second)
    second.send_signal(signal.SIGINT)
    assert "were recorded before" in finish(second, 130)
    assert sum(rows_of(run_dir)) == pytest.approx(TICKS, abs=20), "together they are one window"

    finish(demo(run_dir), 0)
    assert len(rows_of(run_dir)) == 2, "no session twice"
    (entry,) = json.loads((run_dir / "summary.json").read_text())["turns"]
    assert entry["robot_seconds"] == pytest.approx(120.0, abs=1.0)
    assert entry["train_seconds"] > 0
