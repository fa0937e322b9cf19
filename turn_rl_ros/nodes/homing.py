"""Homing: offers `arm/home` on a real arm, through ros2_control's trajectory controller.

One way home: give the joints to the trajectory controller, send it one point, wait for the arm to rest there, give the
joints back. What the guard says meanwhile goes to a controller that is not active. When the window closes or the e-stop
is pressed the arm is stopped on its way, and then given back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.homing import HomingConfig, Way, way_home, way_to_stop
from turn_rl_ros.core.task import make_task
from turn_rl_ros.core.task.base import Array
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, FRESH_S, OK, Diagnosed, steady_s
from turn_rl_ros.nodes.controller_manager import ControllerManagerClient
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node
from turn_rl_ros.nodes.wire import JointNumbers

REST = 0.01
"""Speed below which a joint has arrived, rad/s or m/s."""
CHECK_PERIOD_S = 0.1


class Homing(Diagnosed, Node):
    """Idle, or on one way home at a time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("homing", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, HomingConfig)
        refuse_unknown(self)
        follow_changes(self)
        if self.config.speed > min(self.spec.joint_velocity):
            raise ConfigError(
                f"homing: speed = {self.config.speed:g}, a joint may do {min(self.spec.joint_velocity):g}"
            )
        self._home = make_task(self.spec).home
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._manager = ControllerManagerClient(self, self.spec.joint_names)
        self._manager.know(self.config.trajectory_controller, self.config.controller)
        name = f"{self.config.trajectory_controller}/joint_trajectory"
        self._trajectories = topics.publish_on(self, topics.JOINT_TRAJECTORY._replace(name=name))
        self._state = topics.publish_on(self, topics.HOMING_STATE)
        self._heard_s = float("-inf")
        self._position = self._velocity = np.zeros(len(self.spec.joint_names))
        self._target: Array | None = None
        self._deadline_s = float("inf")
        self._busy = self._giving_back = False
        self._left_over: bool | None = None
        """Whether one who went before left the joints with the trajectory controller; None: not known yet."""
        self._guard: Mapping[str, Any] = {}
        self.said = ""
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        topics.listen_to(self, topics.ESTOP, self._on_estop)
        self.create_service(Trigger, topics.HOME_SERVICE, self._on_home)
        self.create_timer(CHECK_PERIOD_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start_diagnostics()

    def close(self) -> None:
        """Stop an arm that is on its way; the trajectory controller then holds it."""
        if self._busy and self._target is not None and not self._giving_back:
            self._send(way_to_stop(self._position, self._velocity, self.config))

    # What is asked

    def _on_home(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = "homing" if self._busy else self._begin()
        response.success = response.message == "homing"
        return response

    def _begin(self) -> str:
        """Take the arm; gives "homing", or why not."""
        if self._guard.get("estop"):
            return f"the e-stop is latched ({self._guard['estop']})"
        if steady_s() - self._heard_s > FRESH_S:
            return f"no {topics.JOINT_STATES.name}"
        mine, theirs = self.config.trajectory_controller, self.config.controller
        self._busy = self._manager.switch(mine, theirs, self._on_taken)
        if not self._busy:
            return f"no controller manager can switch to {mine}"
        self._target, self._giving_back, self._left_over, self.said = None, False, False, ""
        self._deadline_s = steady_s() + self.config.patience_s
        self._publish_state()
        return "homing"

    def _on_taken(self, fault: str) -> None:
        if fault:
            self._ended(fault)
        elif self._busy and not self._giving_back:
            self._send(way_home(self._position, self._home, self.config))

    # On the way

    def _on_state(self, message: JointNumbers) -> None:
        try:
            self._position, self._velocity, _ = self._reader.read(message)
        except TurnRlError as error:
            self.warn_once_a_second(str(error))
            return
        self._heard_s = steady_s()
        if self._busy and not self._giving_back and self._arrived:
            self._give_back()

    @property
    def _arrived(self) -> bool:
        if self._target is None or np.abs(self._velocity).max() > REST:
            return False
        return bool(self.said) or bool(np.abs(self._position - self._target).max() <= self.config.tolerance)

    def _on_guard(self, message: String) -> None:
        before, self._guard = self._guard.get("phase"), messages.message_to_state(message)
        if before == "open" and self._guard.get("phase") != "open":
            self._stop("the window closed")

    def _on_estop(self, message: Bool) -> None:
        if message.data:
            self._stop("e-stop")

    def _check(self) -> None:
        if self._left_over is None:
            self._manager.ask(self._on_controllers)
        if not self._busy:
            return
        if self._giving_back:
            if steady_s() > self._deadline_s:
                self._ended(f"the controller manager does not say whether {self.config.controller} is active")
        elif steady_s() - self._heard_s > FRESH_S:
            self.said = self.said or f"no {topics.JOINT_STATES.name} on the way home"
            self._give_back()  # the trajectory controller's own deactivation holds the arm
        elif steady_s() > self._deadline_s:
            if self.said:
                self._give_back()
            else:
                far = float(np.abs(self._position - self._home).max())
                self._stop(f"not home in time, {far:.3f} rad away; does the controller move the arm?")

    def _stop(self, reason: str) -> None:
        """Stop on the way; once at rest the arm is given back."""
        if not self._busy or self._giving_back or self.said:
            return
        self.said = reason
        if self._target is None:
            self._give_back()
        else:
            self._send(way_to_stop(self._position, self._velocity, self.config))

    def _send(self, way: Way) -> None:
        seconds = int(way.seconds)
        after = Duration(sec=seconds, nanosec=round((way.seconds - seconds) * 1e9))
        still = [0.0] * len(way.position)
        point = JointTrajectoryPoint(positions=way.position.tolist(), velocities=still, time_from_start=after)
        self._target, self._deadline_s = way.position, steady_s() + way.seconds + self.config.patience_s
        self._trajectories.publish(JointTrajectory(joint_names=list(self.spec.joint_names), points=[point]))

    # Back

    def _on_controllers(self, states: dict[str, str]) -> None:
        """At the start: whoever waits for the arm must not take it for free while it does not hear the guard."""
        if self._left_over is None:
            self._left_over = states.get(self.config.trajectory_controller) == "active"
            self._publish_state()

    def _give_back(self) -> None:
        self._giving_back, self._deadline_s = True, steady_s() + self.config.patience_s
        if not self._manager.switch(self.config.controller, self.config.trajectory_controller, self._ended):
            self._ended(f"no controller manager can switch back to {self.config.controller}")

    def _ended(self, fault: str) -> None:
        if not self._busy:
            return
        self._busy, self._left_over = False, self._giving_back and bool(fault)
        self.said = fault or self.said
        if self.said:
            self.get_logger().warning(f"way home ended: {self.said}")
        self._publish_state()

    def _publish_state(self) -> None:
        held = self._busy or bool(self._left_over)
        self._state.publish(messages.state_to_message({"homing": held, "fault": self.said}))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        return (ERROR if self.said else OK), self.said or ("homing" if self._busy else "idle"), {}


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `homing`."""
    return run_node(Homing, args)
