"""A session is recorded live, and as a bag of the same topics; importing the bag gives the same rows."""

import time

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
from rosbags.rosbag2 import Reader

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.convert import import_bags
from turn_rl_ros.data.bags.mapping import Commands, Goals, Mapping, States
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.nodes import topics

NODES = ("recorder", "arm", "executor", "guard", "collector")
CONTROLLER = {"panda_reach.yaml": topics.VELOCITY_COMMANDS, "gridworld.yaml": topics.POSITION_COMMANDS}
SMALL = {
    "director": {"turns": 1, "window_s": 8.0, "evaluate_goals": 0, "train": False},
    "arm": {"real_time_factor": 0.0},
}


def rows_in(directory):
    return np.concatenate([read_rows(read_info(path)) for path in sealed_files(directory)])


@pytest.mark.parametrize("scenario", CONTROLLER)
def test_importing_a_bag_of_a_session_gives_the_live_rows(graph, scenario):
    if scenario.startswith("panda"):
        pytest.importorskip("pybullet", reason="PyBullet is not installed")
    params = graph.params(scenario, {**SMALL, "recorder": {"run_dir": str(graph.run_dir)}})
    controller = CONTROLLER[scenario]
    for node in NODES:
        graph.start(node, params)
    graph.wait_for_line("recorder", "ready")
    time.sleep(1.0)  # a publisher that is known is matched soon after
    graph.start("director", params)
    assert graph.processes["director"].wait(100) == 0, graph.log("director")
    assert set(graph.stop().values()) == {0}
    live = rows_in(graph.run_dir / "sessions")
    assert len(live) > 100
    spec = make_spec(scenario_section(params, "collector", "task"))
    (bag,) = (graph.run_dir / "bags").iterdir()
    with Reader(bag) as reader:
        recorded = {connection.topic: connection.msgcount for connection in reader.connections}
    papers = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]["custom_data"]
    assert papers["fingerprint"] == spec.fingerprint() and papers["task_spec"] == spec.to_json()
    assert {"/executor/command", "/executor/state", "/guard/state", "/diagnostics"} <= {
        topic for topic, count in recorded.items() if count
    }

    states = States(topic="/joint_states")
    exact = Mapping(0.0, states, Commands(topic="/guard/executed", kind="guard"), Goals("topic"))
    import_bags([bag], graph.logs / "exact", spec, exact)
    imported = rows_in(graph.logs / "exact")
    assert len(imported) == len(live)
    for column in live.dtype.names:
        np.testing.assert_array_equal(imported[column], live[column], err_msg=column)

    # From what any robot's bag has: states, what the controller was sent, and the goal.
    plain = Mapping(
        0.0, states, Commands(topic=f"/{controller.name}", kind=spec.command_interface), Goals("topic", "/goal")
    )
    import_bags([bag], graph.logs / "plain", spec, plain)
    other = rows_in(graph.logs / "plain")
    _, ours, theirs = np.intersect1d(other["stamp_ns"], live["stamp_ns"], return_indices=True)
    assert len(ours) > 0.8 * len(live)
    for column in ("observations", "actions", "rewards", "next_observations", "goal", "command", "next_stamp_ns"):
        np.testing.assert_array_equal(other[column][ours], live[column][theirs], err_msg=column)
