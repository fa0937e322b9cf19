"""A stand-in for ros2_control's controller manager: which controller has the joints, and what it tells them.

Follows https://control.ros.org/jazzy/doc/ros2_control/controller_manager/doc/userdoc.html and the sources of
ros2_controllers 4.42. Pure: `sim/stand_in.py` is the process around it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from numpy.typing import ArrayLike

from sim.arm import Array
from sim.controllers import Applied, checked_values
from sim.trajectory import CommandIgnored, Constraints, Point, TrajectoryController

TRAJECTORY = "joint_trajectory_controller"


class Controller(Protocol):
    """What the manager asks of a controller."""

    interface: str

    def start(self, position: Array) -> None:
        """Activation, at position (n,)."""
        ...

    def update(self, now_ns: int, until_ns: int, position: Array, velocity: Array) -> Array | None:
        """Values (n,) for the joints; None: it has nothing to say. Raises CommandIgnored for return_type::ERROR."""
        ...


class ForwardController:
    """forward_command_controller: passes the last command on for as long as it is active.

    A value that is not finite drops the message; a wrong number of values is an error of `update`. Activation forgets
    what came before.
    """

    def __init__(self, joint_names: Sequence[str], interface: str) -> None:
        self._names, self.interface = tuple(joint_names), interface
        self._last: ArrayLike | None = None

    def start(self, position: Array) -> None:
        """Activation: silent until a command comes."""
        self._last = None

    def take(self, values: ArrayLike) -> None:
        """A command. Raises CommandIgnored when it is dropped."""
        try:
            checked_values(self._names, values)
        except CommandIgnored as error:
            if "not finite" in str(error):
                raise
        self._last = values

    def update(self, now_ns: int, until_ns: int, position: Array, velocity: Array) -> Array | None:
        """The last command (n,); None before the first."""
        return None if self._last is None else checked_values(self._names, self._last)


class ControllerManager:
    """At most one controller has the joints; without one, and before its first word, the arm is held where it was.

    Switching is as with FORCE_AUTO of controller_manager_msgs/SwitchController: whoever holds the joints is
    deactivated in the same step. A controller whose update fails is deactivated too; it has no fallback.
    """

    def __init__(self, joint_names: Sequence[str], position: Array, constraints: Constraints = Constraints()) -> None:  # noqa: B008
        self.forward = {
            f"forward_{interface}_controller": ForwardController(joint_names, interface)
            for interface in ("velocity", "position")
        }
        self.trajectory = TrajectoryController(joint_names, constraints)
        self._all: dict[str, Controller] = {**self.forward, TRAJECTORY: self.trajectory}
        self.active = ""
        """Name of the controller that has the joints; empty: none."""
        self._held = position
        self.ignored: Counter[str] = Counter()
        """Commands that were not followed, by controller."""

    @property
    def states(self) -> dict[str, str]:
        """Active or inactive, by controller."""
        return {name: "active" if name == self.active else "inactive" for name in self._all}

    def activate(self, name: str, position: Array) -> None:
        """Give the joints, which are at position (n,), to a controller; "" takes them from all. Raises KeyError."""
        if name == self.active:
            return
        if name:
            self._all[name].start(position)
        self.active, self._held = name, position

    def command(self, name: str, values: ArrayLike) -> None:
        """A message on a forward controller's topic; without effect unless it is active. Raises CommandIgnored."""
        self._admit(name)
        try:
            self.forward[name].take(values)
        except CommandIgnored as error:
            raise self._refused(name, str(error)) from None

    def follow(
        self, names: Sequence[str], points: Sequence[Point], start_ns: int, now_ns: int, here: tuple[Array, Array]
    ) -> None:
        """A message on the trajectory controller's topic. Raises CommandIgnored."""
        self._admit(TRAJECTORY)
        try:
            self.trajectory.take(names, points, start_ns, now_ns, here)
        except CommandIgnored as error:
            raise self._refused(TRAJECTORY, str(error)) from None

    def update(self, now_ns: int, until_ns: int, position: Array, velocity: Array) -> Applied:
        """What the joints, now at position and velocity (n,), are told until `until_ns`."""
        if self.active:
            controller = self._all[self.active]
            try:
                values = controller.update(now_ns, until_ns, position, velocity)
            except CommandIgnored:
                self.ignored[self.active] += 1
                self.activate("", position)
            else:
                if values is not None:
                    return Applied(self.active, controller.interface, values)
        return Applied("hold", "position", self._held)

    def _admit(self, name: str) -> None:
        if name != self.active:
            raise self._refused(name, "it is not active")

    def _refused(self, name: str, reason: str) -> CommandIgnored:
        self.ignored[name] += 1
        return CommandIgnored(f"command to {name} ignored: {reason}")
