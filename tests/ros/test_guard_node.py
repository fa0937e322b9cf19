"""The guard node over real DDS: a tester node plays arm and executor."""

import time

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState

from turn_rl_ros.core.decision import Decision
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.guard import GuardNode
from turn_rl_ros.nodes.spin import make_executor

pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with pybullet")
PERIOD_NS = 50_000_000
NAMES = [f"panda_joint{i}" for i in range(1, 8)]
POSITION = [0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79]


class Bench:
    def __init__(self, rclpy, **parameters):
        self.guard = GuardNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
        self.node = rclpy.create_node("tester")
        self.commands, self.executed, self.states = [], [], []
        topics.listen_to(self.node, topics.VELOCITY_COMMANDS, lambda m: self.commands.append(list(m.data)))
        topics.listen_to(self.node, topics.EXECUTED, lambda m: self.executed.append(messages.message_to_decision(m)))
        topics.listen_to(self.node, topics.GUARD_STATE, lambda m: self.states.append(messages.message_to_state(m)))
        self.joint_states = topics.publish_on(self.node, topics.JOINT_STATES)
        self.proposals = topics.publish_on(self.node, topics.PROPOSED)
        self.executor = make_executor()
        self.executor.add_node(self.guard)
        self.executor.add_node(self.node)
        self.until(lambda: self.joint_states.get_subscription_count() and self.proposals.get_subscription_count())
        self.until(lambda: self.states)
        self.guard.trigger_configure()
        self.until(self.opens)

    def opens(self):
        """The guard opens once it has heard the arm."""
        self.state(-1)
        self.executor.spin_once(timeout_sec=0.05)
        return self.guard.trigger_activate() == TransitionCallbackReturn.SUCCESS

    def until(self, true, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it did not happen"
            self.executor.spin_once(timeout_sec=0.02)

    def state(self, tick, position=POSITION, names=NAMES):
        message = JointState(name=names, position=position, velocity=[0.0] * len(names))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(10**9 + tick * PERIOD_NS, 10**9)
        self.joint_states.publish(message)

    def propose(self, tick, command):
        decision = Decision(10**9 + tick * PERIOD_NS, 0, tick, 1, np.zeros(3), np.array(command))
        self.proposals.publish(messages.decision_to_message(decision))

    def close(self):
        self.executor.shutdown()
        self.guard.destroy_node()
        self.node.destroy_node()


@pytest.fixture
def bench(ros):
    bench = Bench(ros, window_s=0.5, state_timeout_s=1.0)
    yield bench
    bench.close()


def test_a_command_reaches_the_controller_with_the_stamp_of_its_state(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.commands and bench.executed)
    assert bench.commands[0] == pytest.approx([0.3] * 7)
    assert bench.executed[0].stamp_ns == 10**9
    assert bench.executed[0].intervention == 0


def test_a_command_that_overtakes_its_state_waits_for_it(bench):
    bench.propose(0, [0.3] * 7)
    time.sleep(0.1)
    bench.executor.spin_once(timeout_sec=0.05)
    assert not bench.commands
    bench.state(0)
    bench.until(lambda: bench.commands)
    assert bench.commands[0] == pytest.approx([0.3] * 7)


def test_silence_of_the_executor_for_three_periods_is_a_hold(bench):
    for tick in range(4):
        bench.state(tick)
    bench.until(lambda: bench.commands and bench.executed)
    assert bench.commands[0] == [0.0] * 7
    assert bench.executed[0].episode == -1


def test_the_window_ends_with_a_hold_and_says_so(bench):
    for tick in range(10):
        bench.state(tick)
        bench.propose(tick, [0.3] * 7)
        bench.until(lambda tick=tick: len(bench.commands) == tick + 1)
    bench.state(10)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    bench.until(lambda: len(bench.commands) == 11)
    assert bench.states[-1]["reason"] == "window used up"
    assert bench.states[-1]["used_s"] == pytest.approx(0.5)
    assert bench.commands[-1] == [0.0] * 7


@pytest.mark.parametrize(
    ("position", "names", "words"),
    [
        ([0.0, 0.41, float("nan"), -1.85, 0.0, 2.26, 0.79], NAMES, "panda_joint3 is not finite"),
        ([0.0] * 6, NAMES[:6], "no joint 'panda_joint7'"),
        ([0.0] * 3, NAMES, "7 names, 3 positions"),
    ],
)
def test_joint_states_that_make_no_sense_are_a_hold_and_then_the_end(bench, position, names, words):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: len(bench.commands) == 1)
    bench.state(1, position, names)
    bench.until(lambda: len(bench.commands) == 2)
    assert bench.commands[-1] == [0.0] * 7, "held at once"
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert words in bench.states[-1]["reason"], "and the operator is told why"


def test_joint_states_that_stop_are_a_hold_and_then_the_end(bench):
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.commands[-1] == [0.0] * 7
    assert "no joint_states for 1" in bench.states[-1]["reason"]


def test_joints_in_another_order_and_with_company_are_sorted_out(bench):
    order = ["gripper", *reversed(NAMES)]
    bench.state(0, [9.0, *reversed(POSITION)], order)
    bench.propose(0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    bench.until(lambda: bench.commands)
    assert bench.commands[0] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_a_window_does_not_open_before_the_arm_is_heard(ros):
    guard = GuardNode()
    guard.trigger_configure()
    assert guard.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert "no joint_states" in guard.fault
    guard.destroy_node()
