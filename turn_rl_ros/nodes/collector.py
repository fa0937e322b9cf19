"""Collector: joint states and executed commands to a sealed session file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String

from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.config import param
from turn_rl_ros.core.decision import PROBE_NS
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.disk import require_room
from turn_rl_ros.data.recover import recover
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, SessionNode, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown, values_of
from turn_rl_ros.nodes.spin import run_node

LAST_STATE_WAIT_S = 1.0
"""Wall-clock wait, after the guard closed the window, for messages that are still on their way."""
GUARD_S = 1.0
"""A guard that could be heard was heard more recently than this (wall clock)."""
MOVING = 0.01
"""rad/s or m/s; slower than this, and without a command, the arm is not in use."""


@dataclass(frozen=True)
class CollectorConfig:
    """Parameters of the collector."""

    run_dir: str = param("runs/latest", "run directory; sessions go to its folder sessions/")
    turn: int = param(0, "turn of the next session (the director sets it)", low=0, high=1_000_000)
    window_s: float = param(
        60.0,
        "length of the next session, held against the free disk (the director sets it)",
        unit="s",
        low=0.05,
        high=86400.0,
    )


class Collector(SessionNode):
    """Active: records. Deactivation, for whatever reason, flushes and seals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("collector", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, CollectorConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._directory = sessions_of(self.config.run_dir)
        self._recover()
        self._writer: SessionWriter | None = None
        self._assembler = Assembler(self.spec)
        self._executor_state: dict[str, Any] = {}
        self._guard_state: dict[str, Any] = {}
        self._closed_s: float | None = None
        self._guarded_s = -math.inf
        self._sealed: dict[str, Any] = {}
        self._state = topics.publish_on(self, topics.COLLECTOR_STATE)
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.EXECUTED, self._on_executed)
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        topics.listen_to(self, topics.EXECUTOR_STATE, self._on_executor)
        self.create_timer(0.1, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_state("idle")
        self.start_diagnostics()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open a session file; refuses, with the reason in its state, when that cannot be done."""
        self.fault = self.unwired() or self._unguarded()
        if self.fault:
            self._publish_state("refused")
            return TransitionCallbackReturn.FAILURE
        facts = {
            "turn": self.config.turn,
            "policy_sha256": self._executor_state.get("policy_sha256", ""),
            "policy_turn": self._executor_state.get("turn", -1),
            "clock_source": "sim_time" if self.get_parameter("use_sim_time").value else "system",
            "parameters": values_of(self),
            "dry_run": bool(self._guard_state.get("dry_run", False)),
        }
        try:
            self._recover()
            require_room(self._directory, self.spec, self.config.window_s)
            self._writer = SessionWriter(self._directory, self.spec, facts)
        except TurnRlError as error:
            self.get_logger().error(str(error))
            self.fault = str(error)
            self._publish_state("refused")
            return TransitionCallbackReturn.FAILURE
        self._assembler = Assembler(self.spec)
        self._latest_ns, self._in_use = 0, (0, 0)
        self._closed_s = None
        self.fault = ""
        self._publish_state("recording")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Flush and seal."""
        self._seal("deactivated")
        return super().on_deactivate(state)

    @property
    def recording(self) -> bool:
        """Whether a session file is open."""
        return self._writer is not None

    @property
    def rows(self) -> int:
        """Transitions of the open session."""
        return self._writer.rows if self._writer else 0

    def close(self) -> None:
        """Seal before the process goes."""
        self._seal("collector stopped")

    def _recover(self) -> None:
        """Seal what an earlier recorder left behind, one line each."""
        for found in recover(self._directory):
            self.get_logger().warning(found.message)

    def _on_state(self, message: JointState) -> None:
        try:
            position, velocity, stamp = self.read_state(message)
        except TurnRlError as error:
            if self._writer is None:
                return
            self._assembler.dropped["bad_joint_state"] += 1
            self.warn_once_a_second(f"not recorded: {error}")
            return
        if self._writer is None:
            return
        self._latest_ns = stamp
        if np.abs(velocity).max() > MOVING:
            self._note_use(stamp)
        self._append(self._assembler.state(position, velocity, stamp))
        if self._closed_s is not None:
            self._check()

    def _on_executed(self, message: Float64MultiArray) -> None:
        self._guarded_s = steady_s()
        if self._writer is None:
            return
        try:
            decision = messages.message_to_decision(message)
            rows = self._assembler.executed(decision)
        except TurnRlError as error:
            self._assembler.dropped["bad_command_message"] += 1
            self.warn_once_a_second(f"not recorded: {error}")
            return
        if decision.stamp_ns != PROBE_NS:
            self._note_use(decision.stamp_ns)
        self._append(rows)

    def _note_use(self, stamp_ns: int) -> None:
        first_ns, last_ns = self._in_use
        self._in_use = first_ns or stamp_ns, max(last_ns, stamp_ns)

    def _unguarded(self) -> str:
        """Why nothing that is executed would be recorded, in one line; empty when it would be.

        DDS connects topic by topic, and a guard counts the ears of a collector that was killed for another 20 s; so it
        is not enough that both are there.
        """
        if steady_s() - self._guarded_s <= GUARD_S:
            return ""
        return f"nothing on {topics.EXECUTED.name} in the last {GUARD_S:g} s; is the guard running?"

    def _append(self, rows: Sequence[Transition]) -> None:
        assert self._writer is not None
        try:
            for row in rows:
                self._writer.append(row)
        except TurnRlError as error:
            self.fault = str(error)
            self.get_logger().error(f"recording stopped: {error}")
            self.trigger_deactivate()

    def _on_guard(self, message: String) -> None:
        self._guard_state = messages.message_to_state(message)
        phase = self._guard_state.get("phase")
        if phase == "open":
            self._closed_s = None
        elif phase == "closed" and self._writer is not None:
            self._closed_s = steady_s()
            self._check()

    def _on_executor(self, message: String) -> None:
        self._executor_state = messages.message_to_state(message)

    def _check(self) -> None:
        """Once the window is closed: seal as soon as its last state is here."""
        if self._writer is None or self._closed_s is None:
            return
        complete = self._latest_ns >= self._guard_state.get("until_ns", 0)
        if complete or steady_s() - self._closed_s > LAST_STATE_WAIT_S:
            self.trigger_deactivate()

    def _seal(self, reason: str) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        closed = self._guard_state if self._closed_s is not None else {}
        facts = {
            "window_asked_s": self._guard_state.get("window_s", float("nan")),
            # A guard that is gone says nothing; then the arm was in use as long as it was seen to move or be told to.
            "window_used_s": closed.get("used_s", (self._in_use[1] - self._in_use[0]) / 1e9),
            "wear": {
                "interventions": self._guard_state.get("interventions", {}),
                **{key: self._guard_state.get(key, {}) for key in ("grant", "wear")},
            },
        }
        try:
            for row in self._assembler.finish():
                writer.append(row)
            path = writer.seal(
                self.fault or closed.get("reason") or reason, {**facts, "drops": dict(self._assembler.dropped)}
            )
        except TurnRlError as error:
            writer.close()  # or the directory would stay locked
            self.fault = str(error)
            self.get_logger().error(
                f"the session is not sealed, its .part file stays and the next start recovers it: {error}"
            )
            self._publish_state("failed")
            return
        self.get_logger().info(
            f"sealed {path}: {writer.rows} transitions, dropped {dict(self._assembler.dropped) or 'none'}"
        )
        self._sealed = {
            "file": str(path),
            "rows": writer.rows,
            "turn": self.config.turn,
            "used_s": closed.get("used_s"),
        }
        self._publish_state("sealed")

    def _facts(self) -> dict[str, Any]:
        return {
            "fault": self.fault,
            "rows": self.rows,
            "dropped": dict(self._assembler.dropped),
            **({} if self._writer else self._sealed),
        }

    def _publish_state(self, phase: str) -> None:
        self._phase = phase
        self._state.publish(messages.state_to_message({"phase": phase, **self._facts()}))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        return (ERROR if self.fault else OK), self.fault or self._phase, self._facts()


def sessions_of(run_dir: str) -> Path:
    """The sessions folder of a run, made if need be. Raises ConfigError when it cannot be written."""
    directory = Path(run_dir).expanduser() / "sessions"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"run_dir = {run_dir!r} cannot be written ({error.strerror}); choose another run_dir"
        ) from error
    return directory


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `collector`."""
    return run_node(Collector, args)
