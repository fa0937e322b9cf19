"""A guard node on the bench: a tester node plays arm and executor over real DDS."""

import itertools
import time

import numpy as np
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState

from turn_rl_ros.core.decision import PROBE_NS, Decision
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.guard import GuardNode
from turn_rl_ros.nodes.spin import make_executor

PERIOD_NS = 50_000_000
NAMES = [f"panda_joint{i}" for i in range(1, 8)]
POSITION = [0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79]


class Bench:
    def __init__(self, run_dir, **parameters):
        parameters = {"window_s": 60.0, "state_timeout_s": 1.0, "run_dir": str(run_dir), **parameters}
        self.run_dir, self.closed = run_dir, False
        self.node = rclpy.create_node("tester")
        self.guard = GuardNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
        self.commands, self.executed, self.states = [], [], []
        self.probes = 0
        topics.listen_to(self.node, topics.VELOCITY_COMMANDS, lambda m: self.commands.append(list(m.data)))
        self.recorder = topics.listen_to(self.node, topics.EXECUTED, self.on_executed)
        topics.listen_to(self.node, topics.GUARD_STATE, lambda m: self.states.append(messages.message_to_state(m)))
        self.joint_states = topics.publish_on(self.node, topics.JOINT_STATES)
        self.proposals = topics.publish_on(self.node, topics.PROPOSED)
        self.executor = make_executor()
        self.executor.add_node(self.guard)
        self.executor.add_node(self.node)
        self.until(lambda: self.joint_states.get_subscription_count() and self.proposals.get_subscription_count())
        self.until(lambda: self.states)
        self.guard.trigger_configure()

    def on_executed(self, message):
        """Keep what was executed, count what is said between windows."""
        decision = messages.message_to_decision(message)
        if decision.stamp_ns == PROBE_NS:
            self.probes += 1
        else:
            self.executed.append(decision)

    def open(self):
        """Open the window, and forget the hold that comes with it."""
        self.until(self.opens)
        self.until(lambda: self.commands and self.executed and self.states[-1]["phase"] == "open")
        self.commands.clear()
        self.executed.clear()
        return self

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

    def until_closed(self, every_tick, seconds=10.0):
        """Call `every_tick(tick)` about a hundred times a second until the window is closed; why it was."""
        deadline = time.monotonic() + seconds
        for tick in itertools.count():
            every_tick(tick)
            for _ in range(10):
                self.executor.spin_once(timeout_sec=0.002)
            if self.states[-1]["phase"] == "closed":
                return self.states[-1]["reason"]
            assert time.monotonic() < deadline, "it stays open"

    def close(self):
        """Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self.executor.shutdown()
        self.guard.close()
        self.guard.destroy_node()
        self.node.destroy_node()
