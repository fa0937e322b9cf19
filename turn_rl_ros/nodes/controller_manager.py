"""Asking ros2_control which controllers are active, and switching them; the stand-in is asked in its own way.

controller_manager_msgs comes with ros2_control, not from PyPI, so it is imported only where it is there.
"""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from turn_rl_ros.nodes import topics

MANAGER = "controller_manager"
SWITCH_S = 5
"""The manager's own time-out of a switch."""
Answer = Callable[[Any], None]


class ControllerManagerClient:
    """Answers come on the node's thread, through a callback; whoever is there is asked, ros2_control first."""

    def __init__(self, node: Node, joint_names: Sequence[str]) -> None:
        self._node, self._joints = node, set(joint_names)
        self._list = node.create_client(Trigger, topics.CONTROLLERS_SERVICE)
        self._activate: dict[str, Any] = {}
        self._srv = import_module("controller_manager_msgs.srv") if find_spec("controller_manager_msgs") else None
        if self._srv is not None:
            self._list_real = node.create_client(self._srv.ListControllers, f"{MANAGER}/list_controllers")
            self._switch_real = node.create_client(self._srv.SwitchController, f"{MANAGER}/switch_controller")

    def ask(self, answer: Callable[[dict[str, str]], None]) -> bool:
        """Name -> state of every loaded controller of these joints, broadcasters aside; False: nobody can be asked."""
        if self._srv is not None and self._list_real.service_is_ready():
            request = self._srv.ListControllers.Request()
            future = self._list_real.call_async(request)
            future.add_done_callback(lambda done: answer(self._states(done.result().controller)))
        elif self._list.service_is_ready():
            future = self._list.call_async(Trigger.Request())
            future.add_done_callback(lambda done: answer(json.loads(done.result().message)))
        else:
            return False
        return True

    def _states(self, controllers: Sequence[Any]) -> dict[str, str]:
        """Of controller_manager_msgs/ControllerState; an interface is named joint/kind."""
        return {
            one.name: one.state
            for one in controllers
            if any(interface.partition("/")[0] in self._joints for interface in one.required_command_interfaces)
        }

    def switch(self, activate: str, deactivate: str, answer: Callable[[str], None]) -> bool:
        """Give the joints from one controller to another; the answer is a fault, or empty. False: nobody to ask."""
        if self._srv is not None and self._switch_real.service_is_ready():
            request = self._srv.SwitchController.Request(
                activate_controllers=[activate], deactivate_controllers=[deactivate], activate_asap=True
            )
            request.strictness = request.STRICT
            request.timeout.sec = SWITCH_S
            self._switch_real.call_async(request).add_done_callback(
                lambda done: answer("" if done.result().ok else f"cannot switch to {activate}; see its log")
            )
            return True
        client = self._stand_in(activate)
        if not client.service_is_ready():
            return False

        def on_done(done: Future) -> None:
            answer("" if done.result().success else done.result().message)

        client.call_async(Trigger.Request()).add_done_callback(on_done)
        return True

    def know(self, *controllers: str) -> None:
        """Look for the stand-in's services ahead of the first `switch`, which does not wait for them."""
        for name in controllers:
            self._stand_in(name)

    def _stand_in(self, controller: str) -> Any:
        if controller not in self._activate:
            self._activate[controller] = self._node.create_client(Trigger, f"{topics.ACTIVATE_SERVICE}/{controller}")
        return self._activate[controller]
