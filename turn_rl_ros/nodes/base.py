"""What every node shares: its configuration, its line on /diagnostics, and an orderly end."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.srv import ChangeState
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.nodes import topics

DIAGNOSTICS_PERIOD_S = 1.0


class Diagnosed:
    """Mixin for a Node: `status()` goes out on /diagnostics once a wall-clock second, whatever the ROS clock does."""

    done = False
    exit_code = 0

    def start_diagnostics(self: Any) -> None:
        """Create the publisher and its timer; call once, last in the constructor."""
        self._diagnostics = topics.publish_on(self, topics.DIAGNOSTICS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self.publish_diagnostics, clock=steady)

    def publish_diagnostics(self: Any) -> None:
        """Publish `status()` now."""
        level, message, values = self.status()
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        name = self.get_fully_qualified_name()
        status = DiagnosticStatus(level=level, name=f"{name}: state", message=message, hardware_id=name, values=pairs)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Level, message and values for /diagnostics."""
        return DiagnosticStatus.OK, "running", {}

    def close(self) -> None:
        """Hold, flush, seal: whatever this node must do before it may go."""

    def warn_once_a_second(self: Any, text: str) -> None:
        """Log a warning that may repeat with every message."""
        self.get_logger().warning(text, throttle_duration_sec=1.0, throttle_time_source_type=_STEADY)


class SessionNode(Diagnosed, LifecycleNode):
    """A lifecycle node whose activation is a session, and that survives a transition which does not apply.

    rclpy raises in the service callback when, say, a director deactivates a node that has just deactivated itself; that
    must not end the process that holds the arm.

    Robot time is not spent on a graph that is still finding itself: activation is refused until this node hears the arm
    and is heard by those it speaks to. Whoever opens the window asks again, or tells the operator what is missing.

    A process that stood still for a second may be deaf from then on: to the others its shared-memory port looked like
    that of a dead one, and they may now write to another of that name. It could not even be told to seal; so it ends.
    """

    fault = ""
    """Why this node does not work, in one line; empty while it does."""
    _heard_s = float("-inf")
    _heard_fault = ""
    _deaf_checks = 0

    def start_diagnostics(self: Any) -> None:
        """As of every node; and listen to the others'."""
        super().start_diagnostics()
        topics.listen_to(self, topics.DIAGNOSTICS, self._on_diagnostics)

    def publish_diagnostics(self: Any) -> None:
        """Publish `status()`, after a look at whether this node still hears anybody."""
        self._mind_deafness()
        super().publish_diagnostics()

    def _on_diagnostics(self: Any, message: DiagnosticArray) -> None:
        if any(status.hardware_id != self.get_fully_qualified_name() for status in message.status):
            self._deaf_checks = 0

    def _mind_deafness(self: Any) -> None:
        """End this node after `DEAF_CHECKS` in a row without a word of the others that DDS says are there."""
        alone = self.count_publishers(topics.DIAGNOSTICS.name) < 2
        self._deaf_checks = 0 if alone or steady_s() - self._heard_s < FRESH_S else self._deaf_checks + 1
        if self._deaf_checks >= DEAF_CHECKS and not self.done:
            self.fault = "hears none of the other nodes any more, and ends; start again with the same run_dir to resume"
            self.get_logger().error(self.fault)
            self.done, self.exit_code = True, 1

    def read_state(self: Any, message: JointState) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Position, velocity and stamp of a joint state; remembers whether the arm can be heard. Raises TurnRlError."""
        try:
            state = self._reader.read(message)
        except TurnRlError as error:
            self._heard_fault = str(error)
            raise
        self._heard_s, self._heard_fault = steady_s(), ""
        return state

    def unwired(self, **listeners: Publisher) -> str:
        """What is missing before a window may open, in one line; empty when nothing is.

        `listeners` are publishers that somebody must listen to, by who that is.
        """
        if self._heard_fault:
            return self._heard_fault
        if steady_s() - self._heard_s > FRESH_S:
            return f"no {topics.JOINT_STATES.name} in the last {FRESH_S:g} s; is the arm's driver running?"
        for who, publisher in listeners.items():
            if publisher.get_subscription_count() == 0:
                return f"nobody listens to {publisher.topic_name}; is the {who} running?"
        return ""

    def _LifecycleNodeMixin__on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except rclpy_implementation.RCLError:
            self.get_logger().info(f"transition {request.transition.id} does not apply in this state: ignored")
            response.success = False
            return response


DEAF_CHECKS = 8
"""One a second. More time than any node needs between two signs of life, less than DDS needs to miss one that died."""
FRESH_S = 3.0
"""A joint state older than this (wall clock) does not show that the arm is there."""

_STEADY = Clock(clock_type=ClockType.STEADY_TIME)


def steady_s() -> float:
    """Monotonic seconds: the clock that backs the ROS clock when that one stands still."""
    return time.monotonic()


OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
