"""A session is recorded live, and as a bag of the same topics; importing the bag gives the same rows."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import StoragePlugin, Writer

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.convert import import_bags
from turn_rl_ros.data.bags.decode import STORE
from turn_rl_ros.data.bags.mapping import Commands, Goals, Mapping, States
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.nodes import topics

NODES = ("arm", "executor", "guard", "collector", "director")
CONTROLLER = {"panda_reach.yaml": topics.VELOCITY_COMMANDS, "gridworld.yaml": topics.POSITION_COMMANDS}
SMALL = {
    "director": {"turns": 1, "window_s": 8.0, "evaluate_goals": 0, "train": False},
    "arm": {"real_time_factor": 0.0},
}


class Recorder:
    """What `ros2 bag record` does: a bag of raw messages, each with the time at which it was sent."""

    def __init__(self, path, domain, recorded, plugin):
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("recorder", context=self._context)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._names = [f"/{topic.name}" for topic in recorded]
        self._path, self._plugin, self._recorded, self._heard = path, plugin, recorded, []
        for topic in recorded:
            qos = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE, durability=topic.qos.durability)
            self._node.create_subscription(topic.kind, topic.name, self._keep(topic), qos, raw=True)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _keep(self, topic):
        def keep(raw: bytes, info: dict) -> None:
            self._heard.append((info["source_timestamp"], f"/{topic.name}", raw))

        return keep

    def wait_until_wired(self):
        deadline = time.monotonic() + 60
        while not all(self._node.count_publishers(name) for name in self._names):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1.0)  # a publisher that is known is matched soon after

    def close(self):
        self._executor.shutdown()
        self._thread.join(10)
        self._node.destroy_node()
        self._context.try_shutdown()
        with Writer(self._path, version=9, storage_plugin=self._plugin) as writer:
            kinds = {f"/{t.name}": f"{t.kind.__module__.split('.')[0]}/msg/{t.kind.__name__}" for t in self._recorded}
            connections = {name: writer.add_connection(name, kind, typestore=STORE) for name, kind in kinds.items()}
            for stamp, name, raw in sorted(self._heard):
                writer.write(connections[name], stamp, raw)


def rows_in(directory):
    return np.concatenate([read_rows(read_info(path)) for path in sealed_files(directory)])


@pytest.mark.parametrize(
    ("scenario", "plugin"), [("gridworld.yaml", StoragePlugin.SQLITE3), ("panda_reach.yaml", StoragePlugin.MCAP)]
)
def test_importing_a_bag_of_a_session_gives_the_live_rows(graph, monkeypatch, scenario, plugin):
    if scenario.startswith("panda"):
        pytest.importorskip("pybullet", reason="PyBullet is not installed")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    params = graph.params(scenario, dict(SMALL))
    controller = CONTROLLER[scenario]
    recorded = (topics.JOINT_STATES, topics.EXECUTED, topics.GOAL, controller)
    recorder = Recorder(graph.logs / "bag", int(graph.environment["ROS_DOMAIN_ID"]), recorded, plugin)
    try:
        for node in NODES[:-1]:
            graph.start(node, params)
        recorder.wait_until_wired()
        graph.start("director", params)
        assert graph.processes["director"].wait(100) == 0, graph.log("director")
        assert set(graph.stop().values()) == {0}
    finally:
        recorder.close()
    live = rows_in(graph.run_dir / "sessions")
    assert len(live) > 100
    spec = make_spec(scenario_section(params, "collector", "task"))

    states = States(topic="/joint_states")
    exact = Mapping(0.0, states, Commands(topic="/guard/executed", kind="guard"), Goals("topic"))
    import_bags([graph.logs / "bag"], graph.logs / "exact", spec, exact)
    imported = rows_in(graph.logs / "exact")
    assert len(imported) == len(live)
    for column in live.dtype.names:
        np.testing.assert_array_equal(imported[column], live[column], err_msg=column)

    # From what any robot's bag has: states, what the controller was sent, and the goal.
    plain = Mapping(
        0.0, states, Commands(topic=f"/{controller.name}", kind=spec.command_interface), Goals("topic", "/goal")
    )
    import_bags([graph.logs / "bag"], graph.logs / "plain", spec, plain)
    other = rows_in(graph.logs / "plain")
    _, ours, theirs = np.intersect1d(other["stamp_ns"], live["stamp_ns"], return_indices=True)
    assert len(ours) > 0.8 * len(live)
    for column in ("observations", "actions", "rewards", "next_observations", "goal", "command", "next_stamp_ns"):
        np.testing.assert_array_equal(other[column][ours], live[column][theirs], err_msg=column)
