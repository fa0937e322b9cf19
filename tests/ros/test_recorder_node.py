"""The recorder over real DDS: a bag a window, and what ends one."""

import time
from functools import partial

import pytest
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.reader import Bag
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.recorder import Recorder

TASK = {"kind": "gridworld"}
SHA256 = "cd" * 32


class Bench:
    def __init__(self, ros, run_dir, **parameters):
        given = {"run_dir": str(run_dir), "keep_free_mb": 0.0, "task.kind": "gridworld", **parameters}
        self.bags = run_dir / "bags"
        self.node = ros.create_node("tester")
        self.recorder = Recorder(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
        self.spinner = SingleThreadedExecutor()
        self.state, self.sent = {}, 0
        topics.listen_to(self.node, topics.RECORDER_STATE, self.on_state)
        self.states = topics.publish_on(self.node, topics.JOINT_STATES)
        self.guard = topics.publish_on(self.node, topics.GUARD_STATE)
        self.executor = topics.publish_on(self.node, topics.EXECUTOR_STATE)
        for node in (self.node, self.recorder):
            self.spinner.add_node(node)
        self.until(lambda: self.state and self.states.get_subscription_count())

    def on_state(self, message):
        self.state = messages.message_to_state(message)

    def until(self, true, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it did not happen; {self.state}"
            self.spinner.spin_once(timeout_sec=0.02)

    def say(self, publisher, **state):
        publisher.publish(messages.state_to_message(state))

    def send(self, count):
        """Joint states whose stamp is their number."""
        for _ in range(count):
            self.sent += 1
            message = JointState(name=["x", "y"], position=[0.0, 0.0], velocity=[0.0, 0.0])
            message.header.stamp.nanosec = self.sent
            self.states.publish(message)

    def window(self, count):
        self.say(self.guard, phase="open", window_s=9.0)
        self.until(lambda: self.state["phase"] == "recording")
        self.send(count)
        self.say(self.guard, phase="closed")
        self.until(lambda: self.state["phase"] == "waiting")

    def close(self):
        self.recorder.close()
        self.spinner.shutdown()
        for node in (self.node, self.recorder):
            node.destroy_node()


@pytest.fixture
def bench(ros, tmp_path, starter):
    return starter(partial(Bench, ros, tmp_path))


def joint_states(bag):
    return [m for m in Bag(bag).messages() if m.topic == "/joint_states"]


def test_each_window_is_a_bag_with_its_papers(bench):
    one = bench()
    one.say(one.executor, turn=2, policy_sha256=SHA256)
    one.until(lambda: one.recorder._policy)
    one.window(30)
    one.window(20)
    first, second = sorted(one.bags.iterdir())
    assert [len(joint_states(bag)) for bag in (first, second)] == [30, 20]
    assert {"/executor/state", "/guard/state"} <= {m.topic for m in Bag(second).messages()}
    papers = yaml.safe_load((second / "metadata.yaml").read_text())["rosbag2_bagfile_information"]["custom_data"]
    spec = make_spec(TASK)
    assert (papers["policy_sha256"], papers["policy_turn"], papers["window_s"]) == (SHA256, "2", "9.0")
    assert (papers["task_spec"], papers["fingerprint"]) == (spec.to_json(), spec.fingerprint())


def test_what_came_just_before_the_window_is_in_its_bag(bench):
    """The first state that the executor answers may overtake the word that the window is open."""
    one = bench()
    one.send(3)
    one.until(lambda: len(one.recorder._before) == 3)
    one.window(2)
    (bag,) = one.bags.iterdir()
    assert len(joint_states(bag)) == 5


def test_where_the_session_needs_the_room_no_bag_is_begun(bench):
    one = bench(keep_free_mb=1e9)
    one.say(one.guard, phase="open", window_s=9.0)
    one.until(lambda: one.recorder.fault)
    assert "keep_free_mb" in one.recorder.fault and not one.bags.exists()
    assert not one.recorder.done


def test_a_recorder_that_is_stopped_finishes_its_bag(bench):
    one = bench()
    one.say(one.guard, phase="open", window_s=9.0)
    one.until(lambda: one.state["phase"] == "recording")
    one.send(4)
    one.until(lambda: one.recorder._facts()["messages"] >= 5)
    one.recorder.close()
    (bag,) = one.bags.iterdir()
    assert len(joint_states(bag)) == 4 and (bag / "metadata.yaml").exists() and not Bag(bag).notes
