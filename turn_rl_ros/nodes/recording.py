"""Sessions by the collector, asked for by a node that stands in for the director."""

from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from std_msgs.msg import String

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import steady_s

RETRY_S = 0.3
PATIENCE_S = 20.0
"""A collector that does not record by then does not mean to."""


class Recording:
    """Asks until the collector records, and sees when it has sealed. Never blocks."""

    def __init__(self, node: Node) -> None:
        self._change = node.create_client(ChangeState, "collector/change_state")
        topics.listen_to(node, topics.COLLECTOR_STATE, self._on_state)
        self.again()

    def again(self) -> None:
        """Begin with the next session."""
        self.began = False
        self._phase = self._fault = ""
        self._answer: Any = None
        self._first_s = self._asked_s = float("-inf")

    def ask(self) -> bool:
        """Whether the collector records; asks it to while it does not. Raises TurnRlError when it never does."""
        now_s = steady_s()
        if self.began or now_s - self._asked_s < RETRY_S or not self._change.service_is_ready():
            return self.began
        if self._asked_s < 0:
            self._first_s = now_s
        elif now_s - self._first_s > PATIENCE_S:
            raise TurnRlError(f"the collector does not record: {self._fault or 'it does not answer'}")
        if self._answer is None or self._answer.done():
            self._asked_s = now_s
            for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
                self._answer = self._change.call_async(ChangeState.Request(transition=Transition(id=step)))
        return False

    @property
    def sealed(self) -> bool:
        """Whether the session is on disk. Raises TurnRlError when it cannot be sealed."""
        if self._phase == "failed":
            raise TurnRlError(f"the session was not sealed: {self._fault}")
        return self._phase == "sealed"

    def _on_state(self, message: String) -> None:
        state = messages.message_to_state(message)
        phase, self._fault = str(state.get("phase", "")), str(state.get("fault", ""))
        self.began = self.began or phase == "recording"
        self._phase = phase if self.began else ""  # latched: of the session before
