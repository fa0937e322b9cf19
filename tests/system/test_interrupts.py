"""Ctrl-C and SIGKILL in the middle of a window: sealed or recovered, exit code 0, and the run resumes."""

import json
import signal
import time

import h5py
import pytest

NODES = ("arm", "executor", "guard", "collector", "director")
SMALL = {
    "director": {"turns": 1, "window_s": 8.0, "evaluate_goals": 0, "train": False},
    "arm": {"real_time_factor": 2.0},
}


def rows_of(run_dir):
    sessions = sorted((run_dir / "sessions").glob("*.h5"))
    found = []
    for path in sessions:
        with h5py.File(path) as file:
            found.append((len(file["rewards"]), str(file.attrs["stop_reason"]), bool(file["timeouts"][-1])))
    return found


def wait_for_rows(graph):
    """Until the window is well under way: 40 rows or so are on disk."""
    deadline = time.monotonic() + 100
    while not any(part.stat().st_size > 14_000 for part in graph.run_dir.glob("sessions/*.part")):
        assert time.monotonic() < deadline, {node: graph.log(node) for node in graph.processes}
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_window_seals_and_the_run_resumes(graph, number):
    params = graph.params("gridworld.yaml", dict(SMALL))
    for node in NODES:
        graph.start(node, params)
    wait_for_rows(graph)
    for process in graph.processes.values():
        process.send_signal(number)
        process.send_signal(number)  # the impatient second one
    assert graph.stop(number) == dict.fromkeys(NODES, 0)
    ((rows, _, cut),) = rows_of(graph.run_dir)
    assert rows > 20 and cut
    assert not list((graph.run_dir / "sessions").glob("*.part"))

    for node in NODES:
        graph.start(node, params)
    assert graph.processes["director"].wait(100) == 0, graph.log("director")
    summary = json.loads((graph.run_dir / "summary.json").read_text())
    assert len(rows_of(graph.run_dir)) == 2
    assert summary["turns"][0]["robot_seconds"] == pytest.approx(8.0, abs=0.3), "only what was left of the window"


def test_a_killed_collector_loses_at_most_half_a_second_and_the_next_start_says_so(graph):
    params = graph.params("gridworld.yaml", dict(SMALL))
    for node in NODES:
        graph.start(node, params)
    wait_for_rows(graph)
    graph.processes["collector"].kill()
    graph.wait_for_line("guard", "window closed", 60)
    graph.processes["collector"].wait()
    graph.start("collector", params)
    graph.wait_for_line("collector", "recovered")
    ((rows, reason, cut),) = rows_of(graph.run_dir)
    assert rows > 20 and cut
    assert "recovered" in reason


def test_a_killed_executor_leaves_the_arm_held(graph):
    truth = graph.logs / "truth.jsonl"
    overrides = {**SMALL, "arm": {"real_time_factor": 2.0, "log_path": str(truth)}}
    pytest.importorskip("pybullet")
    params = graph.params("panda_reach.yaml", overrides)
    for node in NODES:
        graph.start(node, params)
    wait_for_rows(graph)
    graph.processes["executor"].kill()
    killed = len(truth.read_text().splitlines())
    graph.wait_for_line("guard", "window closed", 60)
    ticks = [json.loads(line) for line in truth.read_text().splitlines()][killed:]
    at_rest = next(i for i, tick in enumerate(ticks) if max(map(abs, tick["joint_velocity"])) < 0.01)
    assert at_rest <= 12, "three periods of silence, then a stop at the arm's own acceleration"
    assert all(max(map(abs, tick["joint_velocity"])) < 0.01 for tick in ticks[at_rest:])
