"""The simulated arm as a node: what ros2_control would offer, and the clock."""

import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sim import make_arm
from sim.controllers import CommandIgnored, Controllers
from sim.trajectory import Point
from sim.truth import TruthLog
from turn_rl_ros.core.config import param
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN, Diagnosed, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

IDLE_PERIOD_S = 0.25
"""Wall-clock time between two ticks in lockstep while nobody commands the arm."""


@dataclass(frozen=True)
class ArmConfig:
    """Parameters of the simulated arm."""

    seed: int = param(0, "seed of the simulation's randomness (slip of the grid world)", low=0, high=2**31 - 1)
    real_time_factor: float = param(
        1.0, "simulated seconds a second; 0: lockstep, a tick as soon as a command comes", low=0.0, high=1000.0
    )
    start_time_s: float = param(1.0, "first stamp on /clock", unit="s", low=0.0, high=1e9)
    lockstep_timeout_s: float = param(
        1.0,
        "lockstep: without a command for so long (wall clock), time moves on by itself, slowly",
        unit="s",
        low=0.01,
        high=3600.0,
    )
    command_timeout_s: float = param(
        0.0,
        "a velocity that nobody renews for so long becomes zero; 0: it stays, as with forward_command_controller",
        unit="s",
        low=0.0,
        high=60.0,
    )
    homing_speed: float = param(1.0, "speed of the slowest joint on the way home", unit="rad/s", low=0.01, high=10.0)
    log_path: str = param("", "file for the simulator's own record, a JSON line a tick; empty: none")


class ArmNode(Diagnosed, Node):
    """Publishes a clock message and a joint state, steps when it is time, and again.

    In lockstep it is time when a command arrives: one command, one control period. Before the first command, and once
    none came for `lockstep_timeout_s`, a tick every IDLE_PERIOD_S keeps the clock and the states coming. That is slow
    on purpose: the command that ends the idling has to arrive before the next idle tick.

    The service `arm/home` answers at once: a service callback that waited would block the steps that it waits for.
    Arrival is seen from `joint_states`. On the way home commands still pace lockstep, but their values are not obeyed.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("arm", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, ArmConfig)
        disturbance = declare(self, Disturbance)
        refuse_unknown(self)
        follow_changes(self)
        self._arm = make_arm(self.spec, self.config.seed, disturbance)
        self._state = self._arm.state()
        self._stamp_ns = round(self.config.start_time_s * 1e9)
        self._ticks = self._late = 0
        timeout_ns = round(self.config.command_timeout_s * 1e9)
        self._controllers = Controllers(self.spec.joint_names, self._state[0], timeout_ns)
        self._log = TruthLog(self.config.log_path) if self.config.log_path else None
        self._warned: set[str] = set()
        self._message = JointState(name=list(self.spec.joint_names))
        self._states = topics.publish_on(self, topics.JOINT_STATES)
        self._clock_out = topics.publish_on(self, topics.CLOCK)
        for interface, topic in (("velocity", topics.VELOCITY_COMMANDS), ("position", topics.POSITION_COMMANDS)):
            if interface in self._arm.interfaces:
                topics.listen_to(self, topic, self._forward_to(interface))
        topics.listen_to(self, topics.JOINT_TRAJECTORY, self._on_trajectory)
        self.create_service(Trigger, topics.HOME_SERVICE, self._on_home)
        self._heard_s = float("-inf")
        self._timer: Timer | None = None
        self._start_timer()
        self.start_diagnostics()

    def _start_timer(self) -> None:
        """Pace the wall-clock ticks: all of them in real time, those without commands in lockstep."""
        if self._timer is not None:
            self.destroy_timer(self._timer)
        self._paced_at = self.config.real_time_factor
        period_s = self.spec.period_s / self._paced_at if self._paced_at else IDLE_PERIOD_S
        self._timer = self.create_timer(period_s, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_timer(self) -> None:
        if self.config.real_time_factor != self._paced_at:
            self._start_timer()
        lockstep = self._paced_at == 0.0
        if not lockstep or steady_s() - self._heard_s >= self.config.lockstep_timeout_s:
            self._tick()

    def _forward_to(self, interface: str) -> Callable[[Float64MultiArray], None]:
        def on_command(message: Float64MultiArray) -> None:
            self._obey(lambda: self._controllers.forward(interface, message.data), answered_ns(message))

        return on_command

    def _on_trajectory(self, message: JointTrajectory) -> None:
        points = points_of(message)
        # As joint_trajectory_controller has it: a zero stamp means now.
        start_ns = messages.stamp_ns(message.header.stamp) or self._stamp_ns
        names, now = message.joint_names, self._state[0]
        self._obey(lambda: self._controllers.trajectory(names, points, start_ns, now))

    def _obey(self, take: Callable[[], None], answers_ns: int | None = None) -> None:
        """Take in a command; in lockstep, tick at once. A command that is ignored still paces.

        In lockstep, a command that says it answers an older state came too late: to tick for it as well would leave two
        commands under way from then on, each of them obeyed one period after the state that it was chosen for.
        """
        lockstep = self._paced_at == 0.0
        if lockstep:
            self._heard_s = steady_s()
            if answers_ns is not None and answers_ns < self._stamp_ns:
                self._late += 1
                return
        try:
            take()
        except CommandIgnored as error:
            if str(error) not in self._warned:
                self._warned.add(str(error))
                self.get_logger().warning(str(error))
        if lockstep:
            self._tick()

    def _on_home(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        seconds = self._arm.homing_s(self.config.homing_speed)
        self._controllers.go_home(self._arm.home, seconds, self._stamp_ns, self._state[0])
        response.success, response.message = True, "homing"
        return response

    def _tick(self) -> None:
        """One control period: tell the joints, step, publish the new time and state."""
        before, stamp_ns = self._state, self._stamp_ns
        self._stamp_ns += self.spec.period_ns
        applied = self._controllers.command(self._stamp_ns)
        self._arm.step(applied.values, applied.interface, self.spec.period_s)
        self._state = self._arm.state()
        self._controllers.observe(self._state[0], self._stamp_ns)
        self._ticks += 1
        if self._log is not None:
            self._log.write(stamp_ns, before, applied, self._stamp_ns, self._state)
        self._publish()

    def _publish(self) -> None:
        sec, nanosec = divmod(self._stamp_ns, 1_000_000_000)
        stamp = Time(sec=sec, nanosec=nanosec)
        self._clock_out.publish(ClockMessage(clock=stamp))
        message = self._message
        message.header.stamp = stamp
        # An array of doubles is taken as it is; a list would be checked element by element.
        message.position, message.velocity, message.effort = (array.array("d", values) for values in self._state)
        self._states.publish(message)

    def close(self) -> None:
        """Close the simulator and its record."""
        self._arm.close()
        if self._log is not None:
            self._log.close()

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        ignored = self._controllers.ignored
        values = {
            "simulated_time_s": self._stamp_ns / 1e9,
            "ticks": self._ticks,
            "late_commands": self._late,
            "homing": self._controllers.homing,
            **{f"ignored.{name}": count for name, count in ignored.items()},
        }
        if ignored:
            return WARN, f"ignored {ignored.total()} commands", values
        return OK, "homing" if self._controllers.homing else "running", values


def answered_ns(message: Float64MultiArray) -> int | None:
    """Stamp of the joint state that a command answers, from the layout's label "stamp_ns:<n>"; None if it does not say.

    ros2_control does not read the layout; only lockstep needs to know.
    """
    label = message.layout.dim[0].label if message.layout.dim else ""
    stamp = label.removeprefix(messages.STAMP_LABEL)
    return int(stamp) if label.startswith(messages.STAMP_LABEL) and stamp.isdecimal() else None


def points_of(message: JointTrajectory) -> list[Point]:
    """The waypoints of a message."""
    return [
        Point(messages.stamp_ns(p.time_from_start) * 1e-9, p.positions, p.velocities, p.accelerations)
        for p in message.points
    ]


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `arm`."""
    return run_node(ArmNode, args)
