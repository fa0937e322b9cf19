"""The replay node over real DDS: what it publishes, what it never publishes, and what stops it."""

import time
from functools import partial

import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from tests.data import quality_data
from turn_rl_ros.core.errors import ConfigError, SpecMismatch
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.replay import Replay
from turn_rl_ros.nodes.spin import make_executor

ROWS = 40
PERIOD_NS = 50_000_000


@pytest.fixture
def bench(ros, tmp_path, starter):
    """A tester node, a session of 40 rows, and replays of it."""
    return starter(partial(Bench, ros, tmp_path))


class Bench:
    def __init__(self, ros, folder, **parameters):
        (folder / "planar.urdf").write_text(quality_data.URDF)
        task = {
            "robot": "planar", "urdf": str(folder / "planar.urdf"), "tip_link": "tip", "home": [0.3, 0.6],
            "joint_names": ["shoulder", "elbow"], "goal_low": [0.4, 0.2, -0.05], "goal_high": [0.9, 0.7, 0.05],
        }  # fmt: skip
        self.rows = quality_data.arm_rows(0, episodes=1)[:ROWS]
        if not list(folder.glob("*.h5")):
            writer = SessionWriter(folder, make_spec(task))
            for row in self.rows:
                writer.append(row)
            writer.seal("window over")
        given = {"source": str(folder), "rate": 0.0, "listeners": 1, **parameters}
        given |= {f"task.{name}": value for name, value in task.items()}
        self.node = ros.create_node("tester")
        self.spinner = make_executor()
        self.spinner.add_node(self.node)
        self.states, self.executed, self.said, self.phases = [], [], {}, []
        topics.listen_to(self.node, topics.JOINT_STATES, self.states.append)
        topics.listen_to(self.node, topics.EXECUTED, lambda m: self.executed.append(messages.message_to_decision(m)))
        topics.listen_to(self.node, topics.REPLAY_STATE, self.on_said)
        topics.listen_to(
            self.node, topics.GUARD_STATE, lambda m: self.phases.append(messages.message_to_state(m)["phase"])
        )
        self.pause = self.node.create_client(SetBool, topics.PAUSE_SERVICE)
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        try:
            self.replay = Replay(parameter_overrides=overrides)
        except BaseException:
            self.node.destroy_node()
            raise
        self.spinner.add_node(self.replay)

    def on_said(self, message):
        self.said = messages.message_to_state(message)

    def until(self, true, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it did not happen; {self.said}, {len(self.states)} states"
            self.spinner.spin_once(timeout_sec=0.02)

    def call_pause(self, value):
        self.until(self.pause.service_is_ready)
        answer = self.pause.call_async(SetBool.Request(data=value))
        self.until(answer.done)
        return answer.result()

    def close(self):
        self.replay.close()
        self.spinner.shutdown()
        self.replay.destroy_node()
        self.node.destroy_node()


def test_every_state_and_command_once_then_it_is_done(bench):
    one = bench()
    one.until(lambda: one.replay.done)
    one.until(lambda: len(one.states) == ROWS + 1 and len(one.executed) == ROWS + 1 and "closed" in one.phases)
    np.testing.assert_array_equal([m.position for m in one.states[:ROWS]], [r.joint_position for r in one.rows])
    np.testing.assert_array_equal([d.command for d in one.executed[:ROWS]], [r.command for r in one.rows])
    assert [messages.stamp_ns(m.header.stamp) for m in one.states] == [n * PERIOD_NS for n in range(ROWS + 1)]
    assert one.phases == ["open", "closed"]
    assert one.replay.exit_code == 0


def test_no_topic_that_moves_an_arm_has_a_publisher(bench):
    """The whole list, so that a new publisher has to be thought about here."""
    one = bench()
    one.until(lambda: "/replay/state" in dict(one.node.get_publisher_names_and_types_by_node("replay", "/")))
    published = {name for name, _ in one.replay.get_publisher_names_and_types_by_node("replay", "/")}
    ours = {"/joint_states", "/guard/executed", "/guard/state", "/goal", "/executor/state", "/replay/state", "/clock"}
    assert published - {"/rosout", "/parameter_events", "/diagnostics"} == ours


def test_a_pause_stops_the_states_and_lets_them_go_on(bench):
    """Twenty states a second of the wall clock; begun paused, so nothing but the pause can hold them."""
    one = bench(paused=True, rate=20.0)
    one.until(lambda: "open" in one.phases)
    assert one.call_pause(True).message == "paused"
    assert not one.states
    assert one.call_pause(False).message == "playing"
    one.until(lambda: len(one.states) > 5)
    one.call_pause(True)
    heard = len(one.states)
    one.until(lambda: one.said.get("phase") == "paused")
    assert heard < ROWS
    one.call_pause(False)
    one.until(lambda: one.replay.done and len(one.states) == ROWS + 1)


def test_it_starts_where_it_is_told_and_begins_anew(bench):
    """From 30 periods on, 11 states a pass."""
    one = bench(start_s=1.5, loop=True)
    one.until(lambda: len(one.states) > 22)
    stamps = [messages.stamp_ns(m.header.stamp) for m in one.states]
    assert stamps[:22] == 2 * [n * PERIOD_NS for n in range(30, ROWS + 1)]
    assert not one.replay.done


def test_it_ends_where_an_arm_speaks(bench):
    one = bench(paused=True)
    other = one.node.create_publisher(JointState, "joint_states", 10)
    one.until(lambda: one.replay.done)
    assert one.replay.exit_code == 1 and not one.states
    assert one.replay.fault.startswith("somebody else publishes /joint_states")
    one.node.destroy_publisher(other)


@pytest.mark.parametrize(
    ("parameters", "error", "says"),
    [
        ({"source": ""}, ConfigError, "source is empty"),
        ({"source": "/nowhere"}, DatasetError, "does not exist"),
        ({"start_s": 60.0}, ConfigError, "leaves nothing"),
        ({"loop": True, "record": True}, ConfigError, "exclude each other"),
        ({"task.episode_steps": 7}, SpecMismatch, "episode_steps"),
    ],
)
def test_what_a_user_gets_wrong_is_said_at_once(bench, parameters, error, says):
    with pytest.raises(error, match=says):
        bench(**parameters)
