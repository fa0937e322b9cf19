"""The other nodes as the director reaches them: their states, their lifecycle, their parameters, and patience."""

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import steady_s

ANSWER_S = 25.0
"""Wall-clock wait for another node's answer; longer than DDS takes to notice that a computer is gone (20 s)."""
ASK_AGAIN_S = 5.0
"""An answer is lost, and nobody told, where a server has not found the asker's ears yet."""
RETURN_S = 120.0
"""More of that in the time after the computer came back: its nodes are found again one by one. One that has not missed
this computer yet takes new greetings for old ones until they, ever farther apart, outnumber those of before."""
RETRY_S, TRIES = 0.2, 125
"""Nodes refuse while they are still finding each other, so a request is repeated for a while."""
ON_THE_ROBOT = ("collector", "executor", "guard")

STOPPED = "stopped; start again with the same run_dir to resume"


class Interrupted(Exception):
    """The user asked to stop; what is recorded is sealed and the run resumes."""


class Peers:
    """Its methods block, so call them from a thread of their own.

    The robot's nodes may run on another computer. While that is out of reach, everything here waits, as long as it
    takes, and says so in `note`.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._states: dict[str, dict[str, Any]] = {}
        self._stopping = self._met = False
        self._away_s = -math.inf
        self.note = ""
        """What outside of this computer is waited for, in one line; empty while nothing is."""
        for name, topic in (
            ("guard", topics.GUARD_STATE),
            ("collector", topics.COLLECTOR_STATE),
            ("executor", topics.EXECUTOR_STATE),
            ("trainer", topics.TRAINER_STATE),
        ):
            topics.listen_to(node, topic, partial(self._heard, name))
        self._change = {name: node.create_client(ChangeState, f"{name}/change_state") for name in ON_THE_ROBOT}
        self._get = {name: node.create_client(GetState, f"{name}/get_state") for name in ON_THE_ROBOT}
        self._set = {name: node.create_client(SetParameters, f"{name}/set_parameters") for name in ON_THE_ROBOT}

    def stop(self) -> None:
        """Let every blocking call end with Interrupted."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise Interrupted once `stop` was called; for work that waits for nobody."""
        if self._stopping:
            raise Interrupted(STOPPED)

    @property
    def _away(self) -> bool:
        """Whether the robot's computer, which was there before, is out of reach: none of its nodes is there."""
        away = self._met and not any(client.service_is_ready() for client in self._change.values())
        if away:
            self._away_s = steady_s()
        return away

    @property
    def _returning(self) -> bool:
        """Whether the robot's computer is out of reach, or was a while ago: some of its nodes may still be."""
        return self._away or steady_s() < self._away_s + RETURN_S

    def _tell(self, note: str) -> None:
        if note != self.note:
            self.note = note
            self._node.get_logger().warning(note or "going on")

    def _phase(self, name: str) -> str | None:
        return self._states.get(name, {}).get("phase")

    def _heard(self, name: str, message: String) -> None:
        with self._changed:
            self._states[name] = messages.message_to_state(message)
            self._changed.notify_all()

    def _wait(self, until: Callable[[], bool], timeout_s: float | None, what: str) -> None:
        """Block until `until()`; asked at every state message and twice a second.

        `timeout_s` is counted while the robot's computer can be reached, has been for `RETURN_S`, and this one does not
        stand still; beyond it TurnRlError is raised.
        """
        waited_s, now_s, lost = 0.0, steady_s(), False
        with self._changed:
            while not until():
                self.check()
                before_s, now_s = now_s, steady_s()
                if self._away:
                    lost = True
                    self._tell(f"the robot's computer is out of reach; waiting for {what}")
                elif lost:
                    lost = False
                    self._tell("")
                elif timeout_s is not None and not self._returning:
                    waited_s += min(now_s - before_s, 1.0)
                    if waited_s > timeout_s:
                        raise TurnRlError(f"waited {timeout_s:.0f} s for {what}")
                self._changed.wait(0.5)
        if lost:
            self._tell("")

    def _call(self, client: Any, request: Any, name: str) -> Any:
        """Ask until there is an answer: a request is lost with the link. All of them may be repeated."""
        asked: list[Any] = []
        asked_s = -math.inf

        def answered() -> bool:
            """Whether a request was answered, or never will be; asks once more in good time."""
            nonlocal asked_s
            gone = not client.service_is_ready()
            if not gone and steady_s() - asked_s > ASK_AGAIN_S:
                asked_s = steady_s()
                asked.append(client.call_async(request))
                asked[-1].add_done_callback(lambda _: self._nudge())
            return gone or any(future.done() for future in asked)

        while True:
            self._wait(
                client.service_is_ready,
                ANSWER_S,
                f"the node {name!r} to come up; is it running in this namespace and domain?",
            )
            self._wait(answered, ANSWER_S, f"an answer of the node {name!r}")
            answers = [future.result() for future in asked if future.done()]
            for future in asked:
                client.remove_pending_request(future)
            if answers:
                self._met = self._met or name in ON_THE_ROBOT
                return answers[0]
            asked, asked_s = [], -math.inf

    def _nudge(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _transition(self, name: str, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return self._call(self._change[name], request, name).success

    def _activate(self, name: str) -> None:
        for _ in range(TRIES):
            if self._transition(name, Transition.TRANSITION_ACTIVATE):
                return
            if self._state_of(name) == State.PRIMARY_STATE_ACTIVE:
                return  # the request came through, its answer did not
            with self._changed:
                self.check()
                self._changed.wait(RETRY_S)
        fault = self._states.get(name, {}).get("fault")
        raise TurnRlError(f"the {name} refuses to open the window: {fault or 'see its log'}")

    def _ensure_inactive(self, name: str) -> None:
        state = self._state_of(name)
        if state == State.PRIMARY_STATE_ACTIVE:
            self._transition(name, Transition.TRANSITION_DEACTIVATE)
        elif state == State.PRIMARY_STATE_UNCONFIGURED:
            # A request may have come through although its answer did not: then the second one does not apply.
            self._transition(name, Transition.TRANSITION_CONFIGURE)
            if self._state_of(name) == State.PRIMARY_STATE_UNCONFIGURED:
                raise TurnRlError(f"the node {name!r} cannot be configured: see its log")

    def _state_of(self, name: str) -> int:
        return int(self._call(self._get[name], GetState.Request(), name).current_state.id)

    def _set_parameter(self, name: str, parameter: str, value: Any) -> None:
        request = SetParameters.Request(parameters=[Parameter(parameter, value=value).to_parameter_msg()])
        result = self._call(self._set[name], request, name).results[0]
        if not result.successful:
            raise TurnRlError(f"{name} refuses {parameter} = {value}: {result.reason}")
