"""The executor in shadow mode: what a policy would do, beside what was done. It has no way to move an arm."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String, UInt8MultiArray

from turn_rl_ros.core.artifact import Artifact, open_artifact
from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.behaviour import POLICY
from turn_rl_ros.core.config import param
from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.disagreement import action_names, disagreement
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.store import Parcel, read_parcel
from turn_rl_ros.core.task import make_task
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, WARN, Diagnosed
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node


@dataclass(frozen=True)
class ShadowConfig:
    """Parameters of the shadow."""

    run_dir: str = param("runs/latest", "run directory; comparisons go to its folder shadow/, a file a policy")
    policy: str = param("", "policy file; empty: what comes on turn_rl/policy")


class Shadow(Diagnosed, Node):
    """Listens to states and executed commands, on a live arm or a replay, and asks its policy in the same places."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("shadow", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, ShadowConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._task = make_task(self.spec)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._assembler = Assembler(self.spec)
        self._artifact: Artifact | None = None
        self._file: IO[str] | None = None
        self._path = self.fault = ""
        self._window, self.rows = -1, 0
        self._total = np.zeros(len(action_names(self.spec)))
        self._commands = topics.publish_on(self, topics.SHADOW)
        if self.config.policy:
            self._take(read_parcel(Path(self.config.policy).expanduser()))
        else:
            topics.listen_to(self, topics.POLICY, self._on_policy)
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.EXECUTED, self._on_executed)
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        self.start_diagnostics()

    def close(self) -> None:
        """Compare what is still waiting for its neighbour, and close the file."""
        self._compare(self._assembler.finish())
        if self._file is not None:
            self.get_logger().info(f"{self.rows} decisions compared: {self._path}")
            self._file.close()
            self._file = None

    def _on_policy(self, message: UInt8MultiArray) -> None:
        try:
            self._take(messages.message_to_policy(message))
        except TurnRlError as error:
            self.fault = str(error)
            self.get_logger().error(f"policy refused: {error}")

    def _take(self, parcel: Parcel) -> None:
        """Let another policy be compared, in a file of its own. Raises TurnRlError."""
        artifact = open_artifact(parcel.blob, self.spec, parcel.sha256)
        if self._artifact is not None and artifact.sha256 == self._artifact.sha256:
            return
        self.close()
        self._artifact, self.fault, self.rows = artifact, "", 0
        self._total[:] = 0.0
        now = datetime.now(timezone.utc)
        path = Path(self.config.run_dir).expanduser() / "shadow" / f"{artifact.sha256[:12]}-{now:%Y%m%dT%H%M%S}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._path = path.open("a", encoding="utf-8"), str(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}); choose another run_dir") from error
        self._write({"policy_sha256": artifact.sha256, "turn": artifact.turn, "task_spec": self.spec.to_json()})

    def _on_state(self, message: JointState) -> None:
        try:
            position, velocity, stamp_ns = self._reader.read(message)
        except TurnRlError as error:
            self.warn_once_a_second(f"not compared: {error}")
            return
        self._compare(self._assembler.state(position, velocity, stamp_ns))

    def _on_executed(self, message: Float64MultiArray) -> None:
        try:
            rows = self._assembler.executed(messages.message_to_decision(message))
        except TurnRlError as error:
            self.warn_once_a_second(f"not compared: {error}")
            return
        self._compare(rows)

    def _on_guard(self, message: String) -> None:
        """A window begins: its clock and its episodes may begin anew with it."""
        if messages.message_to_state(message).get("phase") == "open":
            self._compare(self._assembler.finish())
            self._assembler = Assembler(self.spec)
            self._window += 1

    def _compare(self, rows: Sequence[Transition]) -> None:
        if self._artifact is None:
            return
        for row in rows:
            action = self._artifact.policy.act(row.observation)
            command = self._task.command(action, row.joint_position)
            decision = Decision(row.stamp_ns, row.episode, row.step, POLICY, row.goal, command)
            self._commands.publish(messages.decision_to_message(decision))
            self._total += disagreement(self.spec, action, row.action)
            self.rows += 1
            where = {"window": self._window, "stamp_ns": row.stamp_ns, "episode": row.episode, "step": row.step}
            actions = {"recorded": np.asarray(row.action).tolist(), "policy": np.asarray(action).tolist()}
            self._write({**where, "behaviour": row.behaviour, **actions})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """The comparison goes on without its file."""
        self._file, self.fault = None, f"{self._path} cannot be written: {error.strerror}"
        self.get_logger().error(self.fault)

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics; writes out what waits, once a second."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._drop(error)
        mean = self._total / max(1, self.rows)
        facts = {
            "policy_sha256": self._artifact.sha256 if self._artifact else "",
            "compared": self.rows,
            "file": self._path,
            **{
                f"disagreement {name}": f"{value:.4f}"
                for name, value in zip(action_names(self.spec), mean, strict=True)
            },
        }
        if self.fault:
            return ERROR, self.fault, facts
        return (OK, "comparing", facts) if self._artifact else (WARN, "waiting for a policy", facts)


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `shadow`."""
    return run_node(Shadow, args)
