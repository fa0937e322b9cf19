"""The collector over real DDS: a tester plays arm and guard."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState

from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import DEAF_CHECKS
from turn_rl_ros.nodes.collector import Collector
from turn_rl_ros.nodes.spin import make_executor

PERIOD_NS = 50_000_000
ROBOT = {"task.kind": "reach", "task.rate_hz": 20.0}


class Bench:
    def __init__(self, ros, tmp_path):
        self.node = ros.create_node("tester")
        given = {**ROBOT, "run_dir": str(tmp_path)}
        self.collector = Collector(parameter_overrides=[Parameter(k, value=v) for k, v in given.items()])
        self.states = topics.publish_on(self.node, topics.JOINT_STATES)
        self.executed = topics.publish_on(self.node, topics.EXECUTED)
        self.spinner = make_executor()
        for node in (self.collector, self.node):
            self.spinner.add_node(node)
        self.until(lambda: self.states.get_subscription_count() and self.executed.get_subscription_count())
        self.collector.trigger_configure()
        self.names = list(self.collector.spec.joint_names)

    def until(self, true):
        deadline = time.monotonic() + 10.0
        while not true():
            assert time.monotonic() < deadline, "it did not happen"
            self.spinner.spin_once(timeout_sec=0.02)

    def state(self, tick, speed):
        message = JointState(name=self.names, position=[0.5] * 7, velocity=[speed] * 7)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(10**9 + tick * PERIOD_NS, 10**9)
        self.states.publish(message)

    def activate(self):
        self.state(0, 0.0)
        self.until(lambda: self.collector._heard_s > 0)
        return self.collector.trigger_activate()

    def probe(self):
        self.executed.publish(messages.decision_to_message(Decision.probe(7)))
        self.until(lambda: self.collector._guarded_s > 0)

    def close(self):
        self.collector.close()
        self.spinner.shutdown()
        self.collector.destroy_node()
        self.node.destroy_node()


@pytest.fixture
def bench(ros, tmp_path, starter):
    return starter(Bench)(ros=ros, tmp_path=tmp_path)


def test_it_records_only_a_guard_that_it_hears(bench):
    """A subscription that the guard counts may be that of a collector which was killed."""
    assert bench.executed.get_subscription_count() == 1
    assert bench.activate() == TransitionCallbackReturn.FAILURE
    assert "guard/executed" in bench.collector.fault
    bench.probe()
    assert bench.activate() == TransitionCallbackReturn.SUCCESS
    assert not bench.collector.fault


@pytest.mark.parametrize(("moves_until", "used_s"), [(0, 0.5), (30, 1.5)])
def test_without_the_guards_word_the_arm_was_used_while_it_was_told_to_or_moved(bench, tmp_path, moves_until, used_s):
    """Commands from tick 0 to 10, an arm that runs on until `moves_until`; then it is watched for as long again."""
    bench.probe()
    assert bench.activate() == TransitionCallbackReturn.SUCCESS
    for tick in range(11):
        held = Decision(10**9 + tick * PERIOD_NS, NO_EPISODE, 0, 0, np.zeros(3), np.zeros(7))
        bench.executed.publish(messages.decision_to_message(held))
    for tick in range(61):
        bench.state(tick, 0.2 if tick <= moves_until else 0.001)
    last_ns = 10**9 + 60 * PERIOD_NS
    bench.until(lambda: bench.collector._latest_ns == last_ns and bench.collector._in_use[1] >= 10**9 + 10 * PERIOD_NS)
    bench.collector.trigger_deactivate()
    (path,) = (tmp_path / "sessions").glob("*.h5")
    facts = read_info(path).facts
    assert facts["window_used_s"] == pytest.approx(used_s)
    assert facts["stop_reason"] == "deactivated"


def test_a_node_that_hears_nobody_of_those_who_are_there_ends(bench):
    """As after a standstill that cost it its shared-memory port: nobody could even tell it to seal."""
    others = topics.publish_on(bench.node, topics.DIAGNOSTICS)
    bench.until(lambda: bench.collector.count_publishers(topics.DIAGNOSTICS.name) == 2)
    for _ in range(DEAF_CHECKS - 1):
        bench.collector.publish_diagnostics()
    others.publish(DiagnosticArray(status=[DiagnosticStatus(hardware_id="/guard")]))
    bench.until(lambda: bench.collector._deaf_checks == 0)
    for _ in range(DEAF_CHECKS - 1):
        bench.collector.publish_diagnostics()
    assert not bench.collector.done
    bench.collector.publish_diagnostics()
    assert bench.collector.done and bench.collector.exit_code == 1
    assert "start again" in bench.collector.fault


def test_a_node_that_is_alone_goes_on(bench):
    assert bench.collector.count_publishers(topics.DIAGNOSTICS.name) == 1
    for _ in range(DEAF_CHECKS + 1):
        bench.collector.publish_diagnostics()
    assert not bench.collector.done
