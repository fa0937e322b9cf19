"""The stand-in for a real arm under ros2_control, as a process: what the vendor's driver offers, over a simulated arm.

On the wall clock, without /clock: `joint_states` as joint_state_broadcaster publishes them (all joints, in the order of
their names), `robot_description` as robot_state_publisher does, the forward controllers and the trajectory controller.
Switching is a std_srvs/Trigger a controller, because controller_manager_msgs does not come from PyPI.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sim import make_arm
from sim.arm_node import points_of
from sim.ros2_control import TRAJECTORY, ControllerManager
from sim.trajectory import CommandIgnored, Constraints
from turn_rl_ros.core.config import param
from turn_rl_ros.core.robot import read_urdf
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN, Diagnosed
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

LONGEST_BACKLOG_S = 1.0
"""A process that stood still for longer does not make up for more than this."""


@dataclass(frozen=True)
class StandInConfig:
    """Parameters of the stand-in."""

    update_rate: float = param(100.0, "rate of the control loop and of joint_states", unit="Hz", low=1.0, high=1000.0)
    active: str = param(
        TRAJECTORY,
        "controller that is active at the start",
        choices=(TRAJECTORY, "forward_velocity_controller", "forward_position_controller", ""),
    )
    start: tuple[float, ...] = param((), "joint positions at the start; empty: the task's home", unit="rad or m")
    extra_joints: tuple[str, ...] = param(
        ("gripper_joint",), "joints beside the arm's in joint_states, which never move"
    )
    clock_offset_s: float = param(
        0.0, "by how much its clock is ahead of this computer's", unit="s", low=-1e3, high=1e3
    )
    trajectory: float = param(0.0, "constraints: offset while moving; 0: not checked", unit="rad or m", low=0.0)
    goal: float = param(0.0, "constraints: offset at the goal; 0: not checked", unit="rad or m", low=0.0)
    goal_time_s: float = param(0.0, "constraints: wait for the goal; 0: for ever", unit="s", low=0.0)
    stopped_velocity: float = param(0.01, "constraints: speed that counts as stopped", unit="rad/s", low=0.0)
    cmd_timeout_s: float = param(0.0, "time after a trajectory's end until it is stale; 0: never", unit="s", low=0.0)


class StandIn(Diagnosed, Node):
    """Steps the arm once a control period, in real time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("stand_in", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, StandInConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._arm = make_arm(self.spec)
        if self.config.start:
            self._arm.reset(np.array(self.config.start))
        self._state = self._arm.state()
        limits = Constraints(**{item.name: getattr(self.config, item.name) for item in fields(Constraints)})
        self._manager = ControllerManager(self.spec.joint_names, self._state[0], limits)
        self._manager.activate(self.config.active, self._state[0])
        self._names = sorted((*self.spec.joint_names, *self.config.extra_joints))
        self._period_s = 1.0 / self.config.update_rate
        self._stamp_ns = self._now_ns
        self._states = topics.publish_on(self, topics.JOINT_STATES)
        self._describe()
        topics.listen_to(self, topics.VELOCITY_COMMANDS, self._forward_to("forward_velocity_controller"))
        topics.listen_to(self, topics.POSITION_COMMANDS, self._forward_to("forward_position_controller"))
        topics.listen_to(self, topics.JOINT_TRAJECTORY, self._on_trajectory)
        for name in self._manager.states:
            self.create_service(Trigger, f"{topics.ACTIVATE_SERVICE}/{name}", self._activator(name))
        self.create_service(Trigger, topics.CONTROLLERS_SERVICE, self._on_list)
        self.create_timer(self._period_s, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start_diagnostics()

    @property
    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds + round(self.config.clock_offset_s * 1e9)

    def _describe(self) -> None:
        if not self.has_parameter("task.urdf"):
            return
        self._description = topics.publish_on(self, topics.ROBOT_DESCRIPTION)
        self._description.publish(String(data=read_urdf(str(self.get_parameter("task.urdf").value))))

    def _forward_to(self, name: str) -> Callable[[Float64MultiArray], None]:
        return lambda message: self._take(lambda: self._manager.command(name, message.data))

    def _on_trajectory(self, message: JointTrajectory) -> None:
        start_ns, here = messages.stamp_ns(message.header.stamp), (self._state[0], self._state[1])
        self._take(
            lambda: self._manager.follow(message.joint_names, points_of(message), start_ns, self._stamp_ns, here)
        )

    def _take(self, command: Callable[[], None]) -> None:
        try:
            command()
        except CommandIgnored as error:
            self.warn_once_a_second(str(error))

    def _activator(self, name: str) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def activate(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._manager.activate(name, self._state[0])
            self.get_logger().info(f"{name} is active")
            response.success, response.message = True, f"{name} is active"
            return response

        return activate

    def _on_list(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, json.dumps(self._manager.states)
        return response

    def _on_timer(self) -> None:
        """Catch up with the clock, a control period a step."""
        now_ns, period_ns = self._now_ns, round(self._period_s * 1e9)
        self._stamp_ns = max(self._stamp_ns, now_ns - round(LONGEST_BACKLOG_S * 1e9))
        stepped = False
        while self._stamp_ns + period_ns <= now_ns:
            position, velocity, _ = self._state
            told = self._manager.update(self._stamp_ns, self._stamp_ns + period_ns, position, velocity)
            self._arm.step(told.values, told.interface, self._period_s)
            self._state, self._stamp_ns, stepped = self._arm.state(), self._stamp_ns + period_ns, True
        if stepped:
            self._publish()

    def _publish(self) -> None:
        sec, nanosec = divmod(self._stamp_ns, 1_000_000_000)
        message = JointState(name=self._names)
        message.header.stamp = Time(sec=sec, nanosec=nanosec)
        order = {name: i for i, name in enumerate(self.spec.joint_names)}
        for field, values in zip(("position", "velocity", "effort"), self._state, strict=True):
            setattr(message, field, [float(values[order[name]]) if name in order else 0.0 for name in self._names])
        self._states.publish(message)

    def close(self) -> None:
        """Close the simulator."""
        self._arm.close()

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        ignored = self._manager.ignored
        values = {**self._manager.states, **{f"ignored.{name}": count for name, count in ignored.items()}}
        if ignored:
            return WARN, f"ignored {ignored.total()} commands", values
        return OK, self._manager.active or "no controller is active", values


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `stand_in`."""
    return run_node(StandIn, args)
