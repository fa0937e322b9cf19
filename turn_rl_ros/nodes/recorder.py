"""Recorder: an MCAP bag of each window beside its session, of everything that is said on the wire."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import time_ns
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from turn_rl_ros import __version__
from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.disk import free_bytes
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, Diagnosed, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

_RECORDED = (
    topics.JOINT_STATES,
    topics.GOAL,
    topics.PROPOSED,
    topics.EXECUTED,
    topics.EXECUTOR_STATE,
    topics.GUARD_STATE,
    topics.COLLECTOR_STATE,
    topics.DIAGNOSTICS,
)
NEEDED = (topics.JOINT_STATES, topics.EXECUTED, topics.GUARD_STATE)
BEFORE, BEFORE_S = 2000, 1.0
"""Messages, and their age, kept while no window is open: a window's first may come before the word that it is open."""
FLUSH_S = 0.5
AFTER_S = 1.0
"""Wall-clock wait, after the guard closed the window, for messages that are still on their way."""


@dataclass(frozen=True)
class RecorderConfig:
    """Parameters of the recorder."""

    run_dir: str = param("runs/latest", "run directory; bags go to its folder bags/, one a window")
    keep_free_mb: float = param(
        500.0, "room on the disk that is left to the session: a bag ends there", unit="MB", low=0.0, high=1e9
    )


class Recorder(Diagnosed, Node):
    """Writes while the guard's window is open. Whatever goes wrong here ends the bag and nothing else."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("recorder", **kwargs)
        try:
            import turn_rl_ros.data.bags.writer  # noqa: F401
        except ImportError as error:
            raise ConfigError("bags are written with rosbags: pip install 'turn_rl_ros[bags]'") from error
        self.spec = declare_task(self)
        self.config = declare(self, RecorderConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._bag: Any = None
        self._closed_s: float | None = None
        self._policy: dict[str, Any] = {}
        self._before: deque[tuple[str, int, bytes]] = deque(maxlen=BEFORE)
        self._latched: dict[str, bytes] = {}
        """The last word on each latched topic; a bag begins with it, however old it is."""
        self._kinds: dict[str, tuple[str, bool]] = {}
        self._wired = False
        self.fault = self._last = ""
        self._state = topics.publish_on(self, topics.RECORDER_STATE)
        for topic in recorded(self.spec):
            self._listen(topic)
        # Once more, decoded: when a window opens and closes, and whose policy acts in it.
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        topics.listen_to(self, topics.EXECUTOR_STATE, self._on_executor)
        self.create_timer(FLUSH_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._say()
        self.start_diagnostics()

    def close(self) -> None:
        """Finish the bag before the process goes."""
        self._finish()

    def _listen(self, topic: topics.Topic) -> None:
        name = self.resolve_topic_name(topic.name)
        latched = topic.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        self._kinds[name] = f"{topic.kind.__module__.split('.')[0]}/msg/{topic.kind.__name__}", latched
        qos = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE, durability=topic.qos.durability)
        self.create_subscription(topic.kind, topic.name, self._keeper(name, latched), qos, raw=True)

    def _keeper(self, name: str, latched: bool) -> Callable[..., None]:
        # Topics have no order between them, but their times of sending do: which state came before a command. On one
        # computer they are of one clock, and better than times of reception, which differ by topic.
        def keep(raw: bytes, info: dict[str, int]) -> None:
            stamp_ns = info.get("source_timestamp") or time_ns()
            if latched:
                self._latched[name] = raw
            if self._bag is not None:
                self._bag.write(name, stamp_ns, raw)
            elif not latched:
                self._before.append((name, stamp_ns, raw))

        return keep

    def _on_guard(self, message: Any) -> None:
        state = messages.message_to_state(message)
        if state.get("phase") == "open":
            self._finish()
            self._attempt(lambda: self._begin(state))
        elif state.get("phase") == "closed" and self._bag is not None:
            self._closed_s = steady_s()

    def _on_executor(self, message: Any) -> None:
        self._policy = messages.message_to_state(message)

    def _begin(self, state: Mapping[str, Any]) -> None:
        from turn_rl_ros.data.bags.writer import BagWriter

        self.fault, self._closed_s = "", None
        folder = Path(self.config.run_dir).expanduser() / "bags"
        self._require_room(folder)
        began = datetime.now(timezone.utc)
        bag = BagWriter(folder / f"window-{began:%Y%m%dT%H%M%S}-{began.microsecond:06d}", self._papers(state))
        self._bag, self._last = bag, str(bag.path)
        for name, (kind, latched) in self._kinds.items():
            bag.add(name, kind, latched)
        since_ns = time_ns() - round(BEFORE_S * 1e9)
        for name, raw in self._latched.items():
            bag.write(name, since_ns, raw)
        for name, stamp_ns, raw in self._before:
            if stamp_ns >= since_ns:
                bag.write(name, stamp_ns, raw)
        self._before.clear()
        self._say()

    def _papers(self, state: Mapping[str, Any]) -> dict[str, str]:
        """What the bag's metadata says of it."""
        return {
            "task_spec": self.spec.to_json(),
            "fingerprint": self.spec.fingerprint(),
            "policy_sha256": str(self._policy.get("policy_sha256", "")),
            "policy_turn": str(self._policy.get("turn", "")),
            "window_id": str(state.get("window_id", "")),
            "window_s": str(state.get("window_s", "")),
            "software_version": __version__,
        }

    def _look(self) -> None:
        """Flush; end the bag once its window is over, or the disk nearly full."""
        if not self._wired and all(self.count_publishers(topic.name) for topic in NEEDED):
            self._wired = True
            self.get_logger().info("ready: arm and guard can be heard")
        if self._bag is None:
            return
        self._attempt(self._bag.flush)
        self._attempt(lambda: self._require_room(self._bag.path))
        if self._closed_s is not None and steady_s() - self._closed_s > AFTER_S:
            self._finish()

    def _require_room(self, folder: Path) -> None:
        free_mb = free_bytes(folder) / 1e6
        if free_mb < self.config.keep_free_mb:
            raise TurnRlError(
                f"the bag ends here: {free_mb:.0f} MB are free in {folder.parent}, keep_free_mb leaves "
                f"{self.config.keep_free_mb:g} MB to the session"
            )

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do it; an error is said once and ends the bag. The session is somebody else's and goes on."""
        try:
            work()
        except TurnRlError as error:
            self.fault = str(error)
            self.get_logger().error(f"{self.fault}; the session goes on")
            self._finish()

    def _finish(self) -> None:
        if self._bag is None:
            return
        bag, self._bag, self._closed_s = self._bag, None, None
        try:
            bag.close()
        except TurnRlError as error:
            self.fault = self.fault or str(error)
            self.get_logger().error(f"{error}; what was flushed can be read")
        self.get_logger().info(f"bag {bag.path}: {bag.messages} messages")
        self._say()

    def _facts(self) -> dict[str, Any]:
        count = self._bag.messages if self._bag else 0
        phase = "recording" if self._bag else "failed" if self.fault else "waiting"
        return {"phase": phase, "bag": self._last, "messages": count, "fault": self.fault}

    def _say(self) -> None:
        self._state.publish(messages.state_to_message(self._facts()))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        facts = self._facts()
        return (ERROR if self.fault else OK), self.fault or facts["phase"], facts


def recorded(spec: TaskSpec) -> tuple[topics.Topic, ...]:
    """What goes into a bag. Policies are left out: their sha256 is in the metadata."""
    velocity = spec.command_interface == "velocity"
    return (*_RECORDED, topics.VELOCITY_COMMANDS if velocity else topics.POSITION_COMMANDS)


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `recorder`."""
    return run_node(Recorder, args, SingleThreadedExecutor)
