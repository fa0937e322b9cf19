"""config/security.policy.xml against the graph as it is: it lets each node do its work, and no more than that."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rclpy.parameter import Parameter

from sim.arm_node import ArmNode
from turn_rl_ros.nodes.collector import Collector
from turn_rl_ros.nodes.executor import Executor
from turn_rl_ros.nodes.guard import GuardNode
from turn_rl_ros.nodes.homing import Homing
from turn_rl_ros.nodes.preflight import Preflight
from turn_rl_ros.nodes.recorder import Recorder
from turn_rl_ros.nodes.shadow import Shadow
from turn_rl_ros.nodes.sync import Sync

FILE = Path(__file__).parents[2] / "config" / "security.policy.xml"
NAMESPACE = "/turn_rl"


def rules():
    """(node, "publish" | "subscribe" | "reply" | "request") -> full names."""
    found = {}
    for profile in ET.parse(FILE).getroot().iter("profile"):
        node = profile.get("node")
        for block in profile:
            for way, value in block.attrib.items():
                assert value == "ALLOW"
                for item in block:
                    name = item.text.replace("~", f"{NAMESPACE}/{node}")
                    name = name if name.startswith("/") else f"{NAMESPACE}/{name}"
                    found.setdefault((node, way), set()).add(name)
    return found


def who(way, name):
    return {node for (node, one), names in rules().items() if one == way and f"{NAMESPACE}/{name}" in names}


def test_the_guard_alone_commands_the_arm_and_says_what_was_executed():
    assert who("publish", "forward_velocity_controller/commands") == {"guard"}
    assert who("publish", "forward_position_controller/commands") == {"guard"}
    assert who("publish", "guard/executed") == {"guard"}  # and no replay, which has no place in a secured graph
    assert who("publish", "joint_trajectory_controller/joint_trajectory") == {"homing"}, "to go home, and no more"


def test_policies_come_from_the_trainer_or_the_director_and_reach_the_executor_and_who_looks_on():
    assert who("publish", "turn_rl/policy") == {"trainer", "director"}
    assert who("subscribe", "turn_rl/policy") == {"executor", "shadow"}
    assert who("subscribe", "executor/command") == {"guard", "recorder"}


@pytest.mark.parametrize(
    "kind", [Executor, GuardNode, Collector, ArmNode, Homing, Preflight, Recorder, Shadow, Sync, "Trainer", "Director"]
)
def test_nothing_that_a_node_does_is_denied(ros, tmp_path, monkeypatch, kind):
    if isinstance(kind, str):
        pytest.importorskip("torch", reason="the trainer needs PyTorch, which is not installed")
        from turn_rl_ros.nodes.director import Director
        from turn_rl_ros.nodes.trainer import Trainer

        kind = {"Trainer": Trainer, "Director": Director}[kind]
    values = {"task.kind": "gridworld", "use_sim_time": True}
    if kind not in (ArmNode, Homing):
        values["run_dir"] = str(tmp_path)
    if kind.__name__ == "Trainer":
        values["algorithm"] = "discrete_cql"
    if kind is Sync:
        values["sessions_url"] = str(tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = kind(parameter_overrides=overrides, namespace=NAMESPACE)
    try:
        name = node.get_name()
        asks = {
            "publish": node.get_publisher_names_and_types_by_node,
            "subscribe": node.get_subscriber_names_and_types_by_node,
            "reply": node.get_service_names_and_types_by_node,
            "request": node.get_client_names_and_types_by_node,
        }
        for way, ask in asks.items():
            used = {topic for topic, _ in ask(name, NAMESPACE)}
            assert used <= rules().get((name, way), set()), f"{name} may not {way}"
    finally:
        node.close()
        node.destroy_node()
