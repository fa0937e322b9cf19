"""Delivery: from a policy message, or the disk, to a checked policy in the executor's hand, without costing it a tick.

Checks and disk writes run in one thread of their own; what came of them is handed over on the node's thread, between
two callbacks.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_msgs.msg import UInt8MultiArray

from turn_rl_ros.core.artifact import Artifact, open_artifact
from turn_rl_ros.core.config import param
from turn_rl_ros.core.deployed import Deployed
from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.signature import PublicKey
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import Parcel
from turn_rl_ros.nodes import messages


@dataclass(frozen=True)
class DeliveryConfig:
    """How the executor takes policies."""

    run_dir: str = param("runs/latest", "run directory on this computer; keeps the policies that acted in deployed/")
    public_key: str = param("", "PEM file of the only signer whose policies are taken (Ed25519 public key); empty: any")
    swap: str = param("episode", "what a new policy waits for: the next episode or tick", choices=("episode", "tick"))


@dataclass(frozen=True)
class Standing:
    """Which policies stand ready; replaced as a whole."""

    acting: Artifact | None = None
    """None: random behaviour."""
    before: Artifact | None = None
    """What a rollback goes back to."""
    returns_before: tuple[float, ...] = ()
    judged: bool = True
    """Whether `acting` is past its trial."""
    withdrawn: tuple[int, ...] = ()
    """Turns whose policy was rolled back."""


class Delivery:
    """Takes, keeps and gives back policies. `standing`, `refusal` and `story` are for the node's thread."""

    def __init__(self, node: Node, spec: TaskSpec, config: DeliveryConfig, changed: Callable[[], None]) -> None:
        """Reload what stood when this computer last ran. `changed` is called on the node's thread after each change.

        Raises:
            TurnRlError: the public key or the history cannot be read.
        """
        self._node, self._spec, self._changed = node, spec, changed
        self._key = PublicKey(Path(config.public_key)) if config.public_key else None
        self._history = Deployed(Path(config.run_dir).expanduser())
        self.refusal = self.story = ""
        self.standing = self._stand()
        self._clerk = ThreadPoolExecutor(1, "policy")

    def take(self, message: UInt8MultiArray) -> None:
        """Check a policy that came in; the answer comes as a change."""
        self._clerk.submit(self._guarded, self._take, message)

    def roll_back(self, reason: str) -> bool:
        """Go back to the policy before; False where random behaviour acts already. The disk follows."""
        bad = self.standing.acting
        if bad is None:
            return False
        good = self.standing.before
        self.standing = Standing(good, withdrawn=(*self.standing.withdrawn, bad.turn))
        self.story = f"turn {bad.turn} rolled back to {_name(good)}: {reason}"
        self._node.get_logger().warning(f"policy of {self.story}")
        self.note("rolled back", bad, reason=reason, to=good.sha256 if good else "")
        self._changed()
        return True

    def note(self, event: str, artifact: Artifact, **facts: Any) -> None:
        """Write an event of `core.deployed.EVENTS` into the history."""
        self._clerk.submit(self._guarded, self._note, event, artifact, facts)

    def close(self) -> None:
        """Finish what is under way."""
        self._clerk.shutdown(wait=True)

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Nothing that goes wrong in the clerk's thread may go unheard."""
        try:
            work(*arguments)
        except TurnRlError as error:
            self._node.get_logger().error(f"the history of deployed policies is not complete: {error}")
        except Exception as error:
            self._node.get_logger().error(f"this is a bug: {error!r}")
            raise

    def _take(self, message: UInt8MultiArray) -> None:
        parcel = Parcel(b"", "")
        try:
            parcel = messages.message_to_policy(message)
            artifact = self._open(parcel)
        except PolicyRejected as error:
            self._refuse(parcel, str(error))
            return
        acting = self.standing.acting
        if acting is not None and acting.sha256 == artifact.sha256:
            self._hand_over()  # said again: whoever sent it wants to hear that it is here
            return
        self._node.get_logger().info(f"policy of {_name(artifact)} accepted ({artifact.sha256[:12]})")
        returns = tuple(self._history.returns(acting.sha256)) if acting else ()
        judged = self._history.judged(artifact.sha256)
        self._hand_over(Standing(artifact, acting, returns, judged, self.standing.withdrawn))
        # Last: the disk may be slow, and a full one costs the memory of a restart, not the policy.
        self._history.take(artifact.turn, parcel, _utc())

    def _open(self, parcel: Parcel) -> Artifact:
        """Every check, the same from the wire and from the disk. Raises PolicyRejected."""
        artifact = open_artifact(parcel.blob, self._spec, parcel.sha256)
        if self._key is not None:
            self._key.require(artifact.sha256, parcel.signature)
        reason = self._history.withdrawn(artifact.sha256)
        if reason:
            raise PolicyRejected(f"the policy of {_name(artifact)} was rolled back: {reason}")
        return artifact

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        self._node.get_logger().error(f"policy refused, {_name(self.standing.acting)} stays: {reason}")
        self._hand_over(refusal=reason)
        last = self._history.events[-1] if self._history.events else {}
        if (last.get("sha256"), last.get("reason")) != (parcel.sha256, reason):
            self._history.note("refused", _utc(), sha256=parcel.sha256, reason=reason)

    def _note(self, event: str, artifact: Artifact, facts: dict[str, Any]) -> None:
        self._history.note(event, _utc(), sha256=artifact.sha256, turn=artifact.turn, **facts)
        if event == "rolled back":
            self._hand_over(self._stand(), self.refusal)

    def _stand(self) -> Standing:
        """The last two policies of the history that still pass every check, and what is known of them."""
        opened: list[Artifact] = []
        for sha256 in reversed(self._history.standing):
            if len(opened) == 2:
                break
            try:
                opened.append(self._open(self._history.parcel(sha256)))
            except TurnRlError as error:
                self._node.get_logger().error(f"a deployed policy is passed over: {error}")
        events = [event for event in self._history.events if event["event"] == "rolled back"]
        withdrawn = tuple(int(event.get("turn", -1)) for event in events)
        if not opened:
            return Standing(withdrawn=withdrawn)
        acting, before = opened[0], opened[1] if len(opened) > 1 else None
        returns = tuple(self._history.returns(before.sha256)) if before else ()
        return Standing(acting, before, returns, self._history.judged(acting.sha256), withdrawn)

    def _hand_over(self, standing: Standing | None = None, refusal: str = "") -> None:
        """Say on the node's thread what came of it; None leaves standing what stands by then."""

        def on_the_node() -> None:
            self.standing, self.refusal = standing or self.standing, refusal
            self._changed()

        executor = self._node.executor
        if executor is not None:
            executor.create_task(on_the_node)


def _name(artifact: Artifact | None) -> str:
    return f"turn {artifact.turn}" if artifact else "random behaviour"


def _utc() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
