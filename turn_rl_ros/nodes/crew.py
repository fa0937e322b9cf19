"""The crew of the turn procedure over ROS 2: lifecycle nodes for the session, a service for training."""

import math
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.guard.budget import WEAR_SPENT, WINDOW_SPENT
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.turns import Score, Session, TurnsConfig
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import steady_s

ANSWER_S = 20.0
"""Wall-clock wait for another node's answer."""
CLOSING = ("executor", "guard", "collector")
"""The hand on the arm first, the recorder last: it sees the end."""
RETRY_S = 0.2
OPENING = ("collector", "executor", "guard")
"""Those who wait for the window first, the guard, which opens it, last: no robot time passes unused."""


STOPPED = "stopped; start again with the same run_dir to resume"


class Interrupted(Exception):
    """The user asked to stop; what is recorded is sealed and the run resumes."""


class RosCrew:
    """Does the work of a turn through the other nodes. Its methods block, so call them from a thread of their own."""

    def __init__(
        self, node: Node, spec: TaskSpec, config: TurnsConfig, evaluate: Callable[[int], Score | None]
    ) -> None:
        self._node, self._spec = node, spec
        self._run_dir = Path(config.run_dir).expanduser()
        self._store = PolicyStore(self._run_dir)
        self._evaluate = evaluate
        self._changed = threading.Condition()
        self._states: dict[str, dict[str, Any]] = {}
        self._stopping = False
        for name, topic in (
            ("guard", topics.GUARD_STATE),
            ("collector", topics.COLLECTOR_STATE),
            ("executor", topics.EXECUTOR_STATE),
            ("trainer", topics.TRAINER_STATE),
        ):
            topics.listen_to(node, topic, partial(self._heard, name))
        self._change = {name: node.create_client(ChangeState, f"{name}/change_state") for name in OPENING}
        self._get = {name: node.create_client(GetState, f"{name}/get_state") for name in OPENING}
        self._set = {name: node.create_client(SetParameters, f"{name}/set_parameters") for name in OPENING}
        self._train = node.create_client(Trigger, topics.TRAIN_SERVICE)

    def stop(self) -> None:
        """Let every blocking call end with Interrupted."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise Interrupted once `stop` was called; for work that waits for nobody."""
        if self._stopping:
            raise Interrupted(STOPPED)

    def recorded(self, turn: int) -> Session:
        """Rows of the sealed sessions of `turn`, and the robot time that it took, recorded or not.

        The guard's ledger tells the time: a window that was killed with its recorder used the arm as well. Raises
        SpecMismatch when the run holds sessions of another task.
        """
        infos = [read_info(path) for path in sealed_files(self._run_dir / "sessions")]
        for info in infos:
            self._spec.require_same(info.spec, info.path.name)
        mine = [info for info in infos if info.facts["turn"] == turn]
        rows = sum(info.rows for info in mine)
        used = [info.facts["window_used_s"] for info in mine]
        recorded_s = sum(s if math.isfinite(s) else 0.0 for s in used)
        return Session(max(recorded_s, self._spent_s(turn)), rows)

    def run_session(self, turn: int, window_s: float) -> None:
        """Open, watch, close. Raises TurnRlError with the node's own words when one refuses."""
        for name in CLOSING:
            self._ensure_inactive(name)
        if self._store.find(turn):
            self._wait_for_policy(turn)
        spent_s = self._spent_s(turn)
        spent = str(self._states["guard"]["spent"])
        if spent.startswith(WEAR_SPENT):
            raise Interrupted(spent)
        if spent.startswith(f"{WINDOW_SPENT}:"):
            return  # steps or episodes: no time that is left brings them back
        self._set_parameter("guard", "window_s", spent_s + window_s)
        self._set_parameter("collector", "turn", turn)
        self._set_parameter("collector", "window_s", window_s)
        # A window that is opened again after a cut must not see the same goals and motion once more.
        self._set_parameter("executor", "session", len(sealed_files(self._run_dir / "sessions")))
        self._states.pop("collector", None)
        self._states.pop("guard", None)
        try:
            for name in OPENING:
                self._activate(name)
            self._wait(self._closed, None, "the window to close")
            self._wait(
                lambda: self._phase("collector") in ("sealed", "failed"), ANSWER_S, "the collector to seal the session"
            )
        finally:
            if not self._stopping:
                for name in CLOSING:
                    self._ensure_inactive(name)
        if self._phase("collector") != "sealed":
            raise TurnRlError(
                f"the session was not sealed: {self._states.get('collector', {}).get('fault') or 'see the collector'}"
            )
        reason = self._states.get("guard", {}).get("reason", "")
        if reason.startswith(WEAR_SPENT):
            raise Interrupted(f"{reason}; what was recorded is sealed, the arm rests")
        if not reason.startswith(WINDOW_SPENT):
            raise TurnRlError(f"the session ended early, what was recorded is sealed: {reason}")

    def has_policy(self, turn: int) -> bool:
        """Whether it is on disk; the trainer publishes the latest one when it starts."""
        return self._store.find(turn) is not None

    def train(self, turn: int) -> float:
        """Ask the trainer, wait for the policy and for the executor's word on it. Raises TurnRlError."""
        self._states.pop("trainer", None)
        answer = self._call(self._train, Trigger.Request(), "trainer")
        if not answer.success:
            raise TurnRlError(f"the trainer refuses: {answer.message}")
        ended = ("done", "withheld", "failed", "stopped")
        self._wait(
            lambda: self._phase("trainer") in ended or not self._train.service_is_ready(), None, "the training to end"
        )
        state = self._states.get("trainer", {})
        if state.get("phase") != "done":
            raise TurnRlError(str(state.get("message", "the trainer was stopped, or is gone")))
        self._wait_for_policy(turn)
        return float(state["seconds"])

    def evaluate(self, turn: int) -> Score | None:
        """On held-out goals in the simulator, in this process."""
        return self._evaluate(turn)

    def _wait_for_policy(self, turn: int) -> None:
        """Until the executor took the policy of `turn`. Raises TurnRlError with its reason when it refused."""

        def answered() -> bool:
            state = self._states.get("executor", {})
            return state.get("turn") == turn or bool(state.get("refused"))

        self._wait(answered, ANSWER_S, f"the executor to take the policy of turn {turn}")
        refused = self._states["executor"].get("refused")
        if refused and turn not in self._states["executor"].get("withdrawn", ()):  # rolled back: the one before acts
            raise TurnRlError(f"the executor refused the policy of turn {turn}: {refused}")

    def _spent_s(self, turn: int) -> float:
        """Robot time of the turn's grant that the guard's ledger has down as used."""
        window_id = f"{self._run_dir.resolve()} turn {turn}"
        self._set_parameter("guard", "window_id", window_id)
        self._wait(
            lambda: self._states.get("guard", {}).get("window_id") == window_id,
            ANSWER_S,
            "the guard's word on the grant",
        )
        return float(self._states["guard"]["grant"]["seconds"])

    def _closed(self) -> bool:
        """The window is over when the guard says so, or when it is gone: then the collector is told to seal."""
        if self._phase("guard") == "closed" or self._phase("collector") in ("sealed", "failed"):
            return True
        return not self._change["guard"].service_is_ready()

    def _phase(self, name: str) -> str | None:
        return self._states.get(name, {}).get("phase")

    def _heard(self, name: str, message: String) -> None:
        with self._changed:
            self._states[name] = messages.message_to_state(message)
            self._changed.notify_all()

    def _wait(self, until: Callable[[], bool], timeout_s: float | None, what: str) -> None:
        """Block until `until()`; asked at every state message and twice a second."""
        deadline = None if timeout_s is None else steady_s() + timeout_s
        with self._changed:
            while not until():
                self.check()
                if deadline is not None and steady_s() > deadline:
                    raise TurnRlError(f"waited {timeout_s:.0f} s for {what}")
                self._changed.wait(0.5)

    def _call(self, client: Any, request: Any, name: str) -> Any:
        self._wait(
            client.service_is_ready,
            ANSWER_S,
            f"the node {name!r} to come up; is it running in this namespace and domain?",
        )
        future = client.call_async(request)
        future.add_done_callback(lambda _: self._nudge())
        self._wait(future.done, ANSWER_S, f"an answer of the node {name!r}")
        return future.result()

    def _nudge(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _transition(self, name: str, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return self._call(self._change[name], request, name).success

    def _activate(self, name: str) -> None:
        """Nodes refuse while they are still finding each other, so ask again for a while."""
        deadline = steady_s() + ANSWER_S
        while not self._transition(name, Transition.TRANSITION_ACTIVATE):
            if steady_s() > deadline:
                fault = self._states.get(name, {}).get("fault")
                raise TurnRlError(f"the {name} refuses to open the window: {fault or 'see its log'}")
            with self._changed:
                self.check()
                self._changed.wait(RETRY_S)

    def _ensure_inactive(self, name: str) -> None:
        state = self._call(self._get[name], GetState.Request(), name).current_state.id
        if state == State.PRIMARY_STATE_ACTIVE:
            self._transition(name, Transition.TRANSITION_DEACTIVATE)
        elif state == State.PRIMARY_STATE_UNCONFIGURED and not self._transition(name, Transition.TRANSITION_CONFIGURE):
            raise TurnRlError(f"the node {name!r} cannot be configured: see its log")

    def _set_parameter(self, name: str, parameter: str, value: Any) -> None:
        request = SetParameters.Request(parameters=[Parameter(parameter, value=value).to_parameter_msg()])
        result = self._call(self._set[name], request, name).results[0]
        if not result.successful:
            raise TurnRlError(f"{name} refuses {parameter} = {value}: {result.reason}")
