"""The arm node over real DDS: lockstep, real time, controllers and the way home."""

import itertools
import os
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (pip install 'turn_rl_ros[ros]')")

import rclpy
from builtin_interfaces.msg import Duration
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_msgs.msg import Float64MultiArray, MultiArrayDimension
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from sim.arm_node import ArmNode
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.messages import STAMP_LABEL
from turn_rl_ros.nodes.spin import make_executor

PERIOD_NS = 50_000_000
_domains = itertools.count(1)


class Rig:
    """An arm node and a client in one process."""

    def __init__(self, **parameters):
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
        self.arm = ArmNode(parameter_overrides=overrides)
        self.node = rclpy.create_node("client")
        self.states, self.clocks = [], []
        self.answer = None
        """Called with each new state; what it returns is sent as a command."""
        topics.listen_to(self.node, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self.node, topics.CLOCK, lambda message: self.clocks.append(messages.stamp_ns(message.clock)))
        self.velocity = topics.publish_on(self.node, topics.VELOCITY_COMMANDS)
        self.position = topics.publish_on(self.node, topics.POSITION_COMMANDS)
        self.trajectory = topics.publish_on(self.node, topics.JOINT_TRAJECTORY)
        self.home = self.node.create_client(Trigger, topics.HOME_SERVICE)
        self._executor = make_executor()
        self._executor.add_node(self.arm)
        self._executor.add_node(self.node)

    def _on_state(self, message):
        self.states.append(message)
        if self.answer is not None:
            command = self.answer(message)
            if command is not None:
                self.send(command)

    def send(self, command, answers_ns=None):
        message = Float64MultiArray(data=[float(value) for value in command])
        if answers_ns is not None:
            message.layout.dim = [MultiArrayDimension(label=f"{STAMP_LABEL}{answers_ns}")]
        (self.velocity if len(self.arm.spec.joint_names) == 7 else self.position).publish(message)

    def until(self, condition, seconds=20.0):
        """Spin until `condition()`; fails after `seconds` of wall clock."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never came; {len(self.states)} states"
            self.spin(0.05)

    def spin(self, seconds):
        done = Future()
        timer = threading.Timer(seconds, done.set_result, (None,))
        timer.start()
        self._executor.spin_until_future_complete(done, timeout_sec=seconds + 1.0)

    def stamps(self):
        return [messages.stamp_ns(state.header.stamp) for state in self.states]

    def close(self):
        self.arm.close()
        self._executor.shutdown()
        self.node.destroy_node()
        self.arm.destroy_node()


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + (os.getpid() * 11 + next(_domains)) % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init()
    made = []

    def make(**parameters):
        made.append(Rig(**parameters))
        return made[-1]

    yield make
    for one in made:
        one.close()
    rclpy.try_shutdown()


def grid(rig, **parameters):
    return rig(task__kind="gridworld", real_time_factor=0.0, **parameters)


def test_in_lockstep_one_command_is_one_period(rig):
    """Fifty answers make fifty ticks, with stamps a period apart; then the arm waits."""
    arm = grid(rig, lockstep_timeout_s=60.0)
    answered = []

    def answer(state):
        if len(answered) < 50:
            answered.append(messages.stamp_ns(state.header.stamp))
            return state.position  # hold
        return None

    arm.answer = answer
    arm.until(lambda: len(answered) == 50)
    arm.spin(0.5)
    stamps = arm.stamps()
    assert len(stamps) == 51, "no command, no tick"
    assert set(np.diff(stamps)) == {PERIOD_NS}
    assert set(arm.clocks) <= set(stamps) and arm.clocks[-1] == stamps[-1]


def test_before_the_first_command_and_after_a_long_silence_time_moves_on_by_itself(rig):
    arm = grid(rig, lockstep_timeout_s=0.3)
    arm.until(lambda: len(arm.states) >= 5)
    wall, count = time.monotonic(), len(arm.states)
    arm.send(arm.states[-1].position)
    arm.until(lambda: len(arm.states) >= count + 5)
    assert time.monotonic() - wall > 0.3, "it waits for a command first"


def test_a_command_to_an_older_state_does_not_tick(rig):
    """Two commands under way would stay two: each state has one answer."""
    arm = grid(rig, lockstep_timeout_s=60.0)
    arm.until(lambda: arm.states)
    newest, here = arm.stamps()[-1], arm.states[-1].position
    arm.send(here, answers_ns=newest)
    arm.until(lambda: arm.stamps()[-1] == newest + PERIOD_NS)
    arm.send(here, answers_ns=newest)
    arm.spin(0.3)
    assert arm.stamps()[-1] == newest + PERIOD_NS
    assert arm.arm.status()[2]["late_commands"] == 1


def test_a_malformed_command_paces_but_does_not_move(rig):
    arm = grid(rig, lockstep_timeout_s=60.0)
    arm.until(lambda: arm.states)
    before = len(arm.states)
    arm.send([float("nan"), 0.0])
    arm.until(lambda: len(arm.states) > before)
    assert list(arm.states[-1].position) == list(arm.states[-2].position)
    assert arm.arm.status()[2]["ignored.forward_position_controller"] == 1


def test_the_gantry_is_home_within_one_tick_of_the_service_call(rig):
    arm = grid(rig, lockstep_timeout_s=60.0)
    up = np.array([-0.1, 0.0])
    moves = itertools.count()
    arm.answer = lambda state: np.array(state.position) + (up if next(moves) < 2 else 0)
    arm.until(lambda: arm.states and abs(arm.states[-1].position[0]) < 1e-9)  # two rows above the start, (2, 8)
    called = arm.home.call_async(Trigger.Request())
    arm.until(called.done)
    assert (called.result().success, called.result().message) == (True, "homing")
    arm.until(lambda: np.allclose(arm.states[-1].position, [0.2, 0.8]))
    rows = [round(state.position[0] / 0.1) for state in arm.states]
    assert 1 not in rows[rows.index(0) :], "over the walls in one step, not row by row"


def test_real_time_never_runs_ahead_of_the_wall_clock_times_the_factor(rig):
    arm = rig(task__kind="gridworld", real_time_factor=4.0)
    arm.until(lambda: arm.states)
    begin, wall = arm.stamps()[-1], time.monotonic()
    arm.spin(1.5)
    simulated = (arm.stamps()[-1] - begin) / 1e9
    assert 0.5 < simulated <= 4.0 * (time.monotonic() - wall) + 0.2


def test_the_factor_can_be_changed_while_it_runs(rig):
    arm = rig(task__kind="gridworld", real_time_factor=0.05)  # a tick a second
    arm.arm.set_parameters([Parameter("real_time_factor", value=20.0)])
    arm.until(lambda: len(arm.states) > 20)


def test_the_panda_obeys_velocities_then_a_trajectory_and_goes_home(rig):
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    arm = rig(real_time_factor=0.0, lockstep_timeout_s=1.0, homing_speed=2.0)  # a busy machine is not silence
    home = np.array(arm.arm.spec.details["home"])
    speed = np.array([0.5, 0, 0, 0, 0, 0, -0.5])
    arm.answer = lambda state: speed
    arm.until(lambda: len(arm.states) >= 41)
    arm.answer = None
    first, last = arm.states[1], arm.states[40]
    elapsed = (messages.stamp_ns(last.header.stamp) - messages.stamp_ns(first.header.stamp)) / 1e9
    np.testing.assert_allclose(np.subtract(last.position, first.position), speed * elapsed, atol=0.01)

    point = JointTrajectoryPoint(positions=(home + 0.1).tolist(), time_from_start=Duration(sec=2))
    names = list(arm.arm.spec.joint_names)
    arm.trajectory.publish(JointTrajectory(joint_names=names, points=[point]))
    arm.until(lambda: np.allclose(arm.states[-1].position, home + 0.1, atol=2e-3))

    called = arm.home.call_async(Trigger.Request())
    arm.answer = lambda state: np.full(7, 9.0)  # paces; not obeyed on the way
    arm.until(called.done)
    arm.until(lambda: any(np.allclose(state.position, home, atol=5e-3) for state in arm.states))


def test_a_misspelt_parameter_is_refused(rig):
    with pytest.raises(ConfigError, match="arm: unknown parameter 'real_time_facto'"):
        rig(task__kind="gridworld", real_time_facto=1.0)


def test_a_disturbed_arm_obeys_as_its_parameters_say(rig):
    pytest.importorskip("pybullet", reason="PyBullet is not installed")
    arm = rig(velocity_gain=0.5, real_time_factor=0.0, lockstep_timeout_s=60.0)
    speed = np.array([0.5, 0, 0, 0, 0, 0, -0.5])
    arm.answer = lambda state: speed
    arm.until(lambda: len(arm.states) >= 11)
    np.testing.assert_allclose(arm.states[10].velocity, 0.5 * speed, atol=0.01)
