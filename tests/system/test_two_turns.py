"""Two turns through separate processes; every row held against the simulator's own log."""

import json
import signal

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task

NODES = ("arm", "executor", "guard", "collector", "trainer", "director")
SMALL = {
    "gridworld.yaml": {"director": {"turns": 2, "window_s": 10.0, "evaluate_goals": 2}, "trainer": {"steps": 50}},
    "panda_reach.yaml": {"director": {"turns": 2, "window_s": 10.0, "evaluate_goals": 2}, "trainer": {"steps": 50}},
}


@pytest.mark.parametrize("scenario", SMALL)
def test_two_turns_record_what_the_simulator_did(graph, scenario):
    if scenario.startswith("panda"):
        pytest.importorskip("pybullet")
    truth_path = graph.logs / "truth.jsonl"
    params = graph.params(scenario, {**SMALL[scenario], "arm": {"log_path": str(truth_path), "real_time_factor": 0.0}})
    for node in NODES:
        graph.start(node, params)
    assert graph.processes["director"].wait(200) == 0, graph.log("director")
    codes = graph.stop(signal.SIGINT)
    assert codes == dict.fromkeys(NODES, 0)

    summary = json.loads((graph.run_dir / "summary.json").read_text())
    assert [entry["turn"] for entry in summary["turns"]] == [0, 1]
    truth = {tick["stamp_ns"]: tick for tick in map(json.loads, truth_path.read_text().splitlines())}
    sessions = sorted((graph.run_dir / "sessions").glob("*.h5"))
    assert len(sessions) == 2
    for turn, path in enumerate(sessions):
        check_session(path, turn, truth, summary["turns"][turn])


def check_session(path, turn, truth, entry):
    with h5py.File(path) as file:
        task = make_task(TaskSpec.from_json(file.attrs["task_spec"]))
        infos = {name: values[:] for name, values in file["infos"].items()}
        columns = {
            name: file[name][:] for name in ("observations", "actions", "rewards", "next_observations", "timeouts")
        }
        assert file.attrs["turn"] == turn
        assert json.loads(file.attrs["drops"]) == {}
        assert file.attrs["stop_reason"] == "window used up"
        assert file.attrs["window_used_s"] == pytest.approx(10.0, abs=0.051)
    rows = len(columns["rewards"])
    assert rows == entry["transitions"]
    assert entry["robot_seconds"] == pytest.approx(10.0, abs=0.051)
    # 10 s at 20 Hz. The window opens a tick or two before the executor acts, and a way home over the walls is no row.
    assert 196 <= rows <= 200
    for row in range(rows):
        before, after = truth[int(infos["stamp_ns"][row])], truth[int(infos["next_stamp_ns"][row])]
        np.testing.assert_array_equal(infos["joint_position"][row], before["joint_position"])
        np.testing.assert_array_equal(infos["joint_velocity"][row], before["joint_velocity"])
        np.testing.assert_array_equal(infos["next_joint_position"][row], after["joint_position"])
        np.testing.assert_array_equal(infos["command"][row], before["command"], "the arm obeyed another command")
        goal = infos["goal"][row]
        seen = task.observe(np.array(before["joint_position"]), np.array(before["joint_velocity"]), goal)
        np.testing.assert_array_equal(columns["observations"][row], seen)
        assert columns["rewards"][row] == np.float32(task.reward(np.array(after["joint_position"]), goal))
        expected = task.executed_action(np.array(before["command"]), np.array(before["joint_position"]))
        np.testing.assert_array_equal(columns["actions"][row], expected)
    episode = infos["episode"]
    ends = np.append(episode[1:] != episode[:-1], True)
    np.testing.assert_array_equal(columns["timeouts"], ends)
