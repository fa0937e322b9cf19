"""The e-stop's inputs: a topic, a service and, where one is configured, the safety mode of the arm's vendor.

Any of them latches it, on disk; only the service re-arms it. It is no safety-rated stop: it asks the arm to hold,
through the same wires as every command. The red button belongs to the arm.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.ledger import Ledger
from turn_rl_ros.nodes import topics


class EStop:
    """Latched in the ledger. `stop` is called with the reason as soon as there is one, before anything is written."""

    def __init__(self, node: Node, config: GuardConfig, ledger: Ledger, stop: Callable[[str], None]) -> None:
        """Raises ConfigError when the vendor's message type or field does not exist."""
        self._node, self._config, self._ledger, self._stop = node, config, ledger, stop
        self._pressed = False
        self._mode: Any = None
        self._listen(topics.ESTOP, self._on_button)
        if config.safety_topic:
            kind = message_type(config.safety_type, config.safety_field)
            self._listen(topics.Topic(config.safety_topic, kind, QoSProfile(depth=10)), self._on_mode)
        node.create_service(SetBool, topics.ESTOP_SERVICE, self._on_service)

    @property
    def fault(self) -> str:
        """Why no window may open, in one line; empty when nothing is in the way."""
        if self._ledger.estop:
            return (
                f"the e-stop is latched ({self._ledger.estop}); to re-arm it: "
                f"ros2 service call {self._node.resolve_service_name(topics.ESTOP_SERVICE)} "
                "std_srvs/srv/SetBool '{data: false}'"
            )
        if self._config.safety_topic and self._mode is None:
            return f"nothing on safety_topic {self._config.safety_topic!r} so far; is the arm's driver running?"
        return ""

    @property
    def _cause(self) -> str:
        """What would latch it right now; empty when nothing would."""
        if self._pressed:
            return f"{topics.ESTOP.name} is true"
        if self._mode is not None and self._mode not in self._config.safety_normal:
            return f"{self._config.safety_topic} says {self._config.safety_field} = {self._mode}"
        return ""

    def _listen(self, topic: topics.Topic, callback: Callable[[Any], None]) -> None:
        """Hear what was said before this node was there, if it was latched, and what is said from now on."""
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)  # that one of the two does not match is no news
        for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
            qos = QoSProfile(depth=10, durability=durability)
            self._node.create_subscription(topic.kind, topic.name, callback, qos, event_callbacks=quiet)

    def _on_button(self, message: Bool) -> None:
        self._pressed = bool(message.data)
        self._latch(self._cause)

    def _on_mode(self, message: Any) -> None:
        self._mode = getattr(message, self._config.safety_field)
        self._latch(self._cause)

    def _on_service(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data:
            self._latch(f"service {topics.ESTOP_SERVICE}")
            response.success, response.message = True, "latched"
        elif self._cause:
            response.success, response.message = False, f"not re-armed: {self._cause}"
        else:
            self._ledger.latch("")
            self._ledger.flush()
            response.success = not self._ledger.fault
            response.message = self._ledger.fault or "re-armed; the next window may open"
            self._node.get_logger().warning(f"e-stop: {response.message}")
        return response

    def _latch(self, reason: str) -> None:
        if not reason or self._ledger.estop:
            return
        self._ledger.latch(reason)
        self._stop(reason)
        self._ledger.flush()
        self._node.get_logger().error(f"e-stop latched: {reason}")


def message_type(name: str, field: str) -> Any:
    """The message class `package/msg/Name`, which must have `field`. Raises ConfigError."""
    try:
        package, _, kind = name.split("/")
        found = getattr(import_module(f"{package}.msg"), kind)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"guard: safety_type = {name!r}: no such message type is installed here") from error
    if not hasattr(found(), field):
        raise ConfigError(
            f"guard: safety_field = {field!r}: {name} has {', '.join(found.get_fields_and_field_types())}"
        )
    return found
