"""The crew of the turn procedure over ROS 2: lifecycle nodes for the session, a service for training."""

import math
from collections.abc import Callable
from pathlib import Path

from rclpy.node import Node
from std_srvs.srv import Trigger

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.guard.budget import WEAR_SPENT, WINDOW_SPENT
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.turns import Score, Session, TurnsConfig
from turn_rl_ros.data.manifest import read_manifest, sealed_files
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.base import steady_s
from turn_rl_ros.nodes.peers import ANSWER_S, Interrupted, Peers

OPENING = ("collector", "executor", "guard")
"""Those who wait for the window first, the guard, which opens it, last: no robot time passes unused."""
CLOSING = ("executor", "guard", "collector")
"""The hand on the arm first, the recorder last: it sees the end."""
GONE_S = 5.0
"""DDS misses the nodes of a computer that is gone one after the other, within the 3 s between their signs of life."""


class RosCrew(Peers):
    """Does the work of a turn through the other nodes.

    When the robot's computer is out of reach, guard and collector there see an open window through by themselves; the
    crew goes on where things stand when it is back.
    """

    def __init__(
        self, node: Node, spec: TaskSpec, config: TurnsConfig, evaluate: Callable[[int], Score | None]
    ) -> None:
        super().__init__(node)
        self._spec = spec
        self._run_dir = Path(config.run_dir).expanduser()
        self._store = PolicyStore(self._run_dir)
        self._evaluate = evaluate
        self._gone_s: float | None = None
        self._train = node.create_client(Trigger, topics.TRAIN_SERVICE)

    def recorded(self, turn: int) -> Session:
        """Rows of the sealed sessions of `turn`, and the robot time that it took, recorded or not.

        The guard's ledger tells the time: a window that was killed with its recorder used the arm as well. Waits for
        the collector's last session where that has to come from another computer. Raises SpecMismatch when the run
        holds sessions of another task.
        """
        spent_s = self._spent_s(turn)
        self._wait(self._arrived, None, "the session to arrive")
        infos = [read_info(path) for path in sealed_files(self._run_dir / "sessions")]
        for info in infos:
            self._spec.require_same(info.spec, info.path.name)
        mine = [info for info in infos if info.facts["turn"] == turn]
        rows = sum(info.rows for info in mine)
        used = [info.facts["window_used_s"] for info in mine]
        recorded_s = sum(s if math.isfinite(s) else 0.0 for s in used)
        return Session(max(recorded_s, spent_s), rows)

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
            # When the robot's computer is back, the collector may be heard before the guard.
            told = ("closed", "inactive")
            self._wait(lambda: self._phase("guard") in told or self._guard_gone(), ANSWER_S, "the guard's last word")
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
        """The window is over when the guard says so, or when it alone is gone: then the collector is told to seal."""
        if self._phase("guard") == "closed" or self._phase("collector") in ("sealed", "failed"):
            return True
        return self._guard_gone()

    def _guard_gone(self) -> bool:
        """Whether the guard has been gone for a while, and it alone, not as the last to be found again."""
        if self._change["guard"].service_is_ready() or self._returning:
            self._gone_s = None
            return False
        self._gone_s = steady_s() if self._gone_s is None else self._gone_s
        return steady_s() - self._gone_s > GONE_S

    def _arrived(self) -> bool:
        """Whether the collector's last session is on this computer's disk; at once where they share it."""
        directory = self._run_dir / "sessions"
        name = Path(self._states.get("collector", {}).get("file", "")).name
        arrived = not name or name in read_manifest(directory)
        if not self._away:
            self._tell("" if arrived else f"waiting for {name} in {directory}; does sync run on both computers?")
        return arrived
