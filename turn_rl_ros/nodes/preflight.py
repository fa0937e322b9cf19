"""Pre-flight: looks at the graph before a window opens, says what is wrong and how to mend it, and ends.

Exit code 0 when every line passed, 1 when one failed: `hardware.launch.py` opens the window only after 0.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import String

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.preflight import CREW, Facts, Line, PreflightConfig, checklist
from turn_rl_ros.core.store import PolicyStore, read_parcel
from turn_rl_ros.data.disk import free_bytes, require_room
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, Diagnosed, steady_s
from turn_rl_ros.nodes.controller_manager import ControllerManagerClient
from turn_rl_ros.nodes.params import declare, declare_task, refuse_unknown
from turn_rl_ros.nodes.spin import run_node
from turn_rl_ros.nodes.wire import JointNumbers

LOOK_PERIOD_S = 0.5
STATES = {"guard": topics.GUARD_STATE, "executor": topics.EXECUTOR_STATE, "collector": topics.COLLECTOR_STATE}


class Preflight(Diagnosed, Node):
    """Gathers facts until every line passes, or patience ends."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("preflight", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, PreflightConfig)
        refuse_unknown(self)
        self.lines: list[Line] = []
        self._facts = Facts()
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._commands = topics.VELOCITY_COMMANDS if self._velocity else topics.POSITION_COMMANDS
        self._manager = ControllerManagerClient(self, self.spec.joint_names)
        self._began_s = steady_s()
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        for name in CREW:
            topics.listen_to(self, STATES[name], partial(self._on_crew, name))
        if self.config.description_topic:
            described = topics.ROBOT_DESCRIPTION._replace(name=self.config.description_topic)
            topics.listen_to(self, described, self._on_description)
        self.create_timer(LOOK_PERIOD_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start_diagnostics()

    @property
    def _velocity(self) -> bool:
        return self.spec.command_interface == "velocity"

    def _on_state(self, message: JointNumbers) -> None:
        facts, stamp_ns = self._facts, messages.stamp_ns(message.header.stamp)
        facts.names = list(message.name)
        try:
            facts.position, facts.velocity, _ = self._reader.read(message)
            facts.state_fault = ""
        except TurnRlError as error:
            facts.state_fault = str(error)
        facts.stamps_ns.append(stamp_ns)
        facts.lags_s.append((self.get_clock().now().nanoseconds - stamp_ns) * 1e-9)
        oldest_ns = stamp_ns - round(self.config.watch_s * 1e9)
        while facts.stamps_ns[0] < oldest_ns:
            facts.stamps_ns.pop(0)
            facts.lags_s.pop(0)

    def _on_crew(self, name: str, message: String) -> None:
        self._facts.crew[name] = messages.message_to_state(message)

    def _on_description(self, message: String) -> None:
        self._facts.description = message.data

    def _look(self) -> None:
        """Ask around, judge, and end once all is well or patience is over."""
        self._ask_graph()
        self._ask_disk()
        if not self._manager.ask(self._on_controllers):
            self._facts.controllers = None
        waited_s = steady_s() - self._began_s
        if waited_s < self.config.watch_s + LOOK_PERIOD_S:
            return
        self.lines = checklist(self._facts, self.spec, self.config)
        if all(line.ok for line in self.lines) or waited_s >= self.config.patience_s:
            self._end()

    def _on_controllers(self, states: dict[str, str]) -> None:
        self._facts.controllers = states

    def _ask_graph(self) -> None:
        def names(endpoints: Sequence[Any]) -> list[str]:
            return sorted({f"{one.node_namespace.rstrip('/')}/{one.node_name}" for one in endpoints})

        topic = self.resolve_topic_name(self._commands.name)
        self._facts.command_topic = topic
        self._facts.listeners = self.count_subscribers(topic)
        self._facts.commanders = names(self.get_publishers_info_by_topic(topic))
        states = self.resolve_topic_name(topics.JOINT_STATES.name)
        self._facts.drivers = names(self.get_publishers_info_by_topic(states))

    def _ask_disk(self) -> None:
        run_dir, facts = Path(self.config.run_dir).expanduser(), self._facts
        facts.disk_fault = _fault(lambda: require_room(run_dir / "sessions", self.spec, self.config.window_s))
        facts.disk = f"{free_bytes(run_dir) / 1e9:.1f} GB free"
        latest = PolicyStore(run_dir).latest()
        facts.policy = latest.name if latest else "none yet: random motion acts"
        facts.policy_fault = _fault(lambda: self._open(latest)) if latest else ""

    def _open(self, path: Path) -> None:
        parcel = read_parcel(path)
        open_artifact(parcel.blob, self.spec, parcel.sha256)

    def _end(self) -> None:
        """Say it, keep it, and go."""
        failed = [line for line in self.lines if not line.ok]
        print("\n".join(["pre-flight:", *map(described, self.lines)]), flush=True)
        path = Path(self.config.run_dir).expanduser() / "preflight.json"
        try:
            replace_file(path, json.dumps([asdict(line) for line in self.lines], indent=2).encode())
        except OSError as error:
            self.get_logger().warning(f"cannot write {path}: {error.strerror}")
        self.exit_code, self.done = (1 if failed else 0), True

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        failed = [line.name for line in self.lines if not line.ok]
        return (ERROR if failed else OK), f"failed: {', '.join(failed)}" if failed else "looking", {}


def described(line: Line) -> str:
    """One line of the checklist for a terminal or a log."""
    mend = f"; to mend it: {line.mend}" if line.mend else ""
    return f"  {'ok    ' if line.ok else 'FAILED'}  {line.name:20}  {line.measured}{mend}"


def _fault(check: Callable[[], None]) -> str:
    try:
        check()
    except TurnRlError as error:
        return str(error)
    return ""


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `preflight`."""
    return run_node(Preflight, args)
