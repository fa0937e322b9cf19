"""Sync: sealed sessions between this computer and a store, beside the nodes that record and train, never in them.

A process of its own at the lowest priority: nothing on the way from arm to command waits for a network.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.data.sync import Outcome, keep_going, pull, push
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN, Diagnosed
from turn_rl_ros.nodes.params import declare, declare_task, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

LAST_WORD_S = 2.0
"""Wait for what is on its way when the node goes; it may be cut anywhere."""


@dataclass(frozen=True)
class SyncConfig:
    """Parameters of sync."""

    run_dir: str = param("runs/latest", "run directory on this computer; its folder sessions/ is sent or filled")
    sessions_url: str = param("", "store of sessions: a folder, ssh://user@host/folder, s3://bucket/folder, ...")
    direction: str = param("push", "push: to the store, on a robot's computer; pull: from it", choices=("push", "pull"))
    period_s: float = param(
        5.0, "time between two looks; a session that was just sealed is sent at once", unit="s", low=0.1, high=3600.0
    )


class Sync(Diagnosed, Node):
    """Works in a thread that may hang in a network call for as long as it likes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sync", **kwargs)
        declare_task(self)  # part of every scenario file
        self.config = declare(self, SyncConfig)
        refuse_unknown(self)
        if not self.config.sessions_url:
            raise ConfigError("sync: sessions_url is empty; name the store, such as ssh://user@host/folder")
        self._directory = Path(self.config.run_dir).expanduser() / "sessions"
        self._moved = 0
        self._standing: tuple[bytes, str, Mapping[str, Any]] = (OK, "starting", {})
        self._wake, self._stopping = threading.Event(), False
        topics.listen_to(self, topics.COLLECTOR_STATE, self._on_collector)
        arguments = (self._exchange, self._told, self._pause, self.config.period_s)
        self._thread = threading.Thread(target=keep_going, args=arguments, name="sync", daemon=True)
        self._thread.start()
        self.start_diagnostics()

    def close(self) -> None:
        """Stop; a transfer that is under way is begun anew next time."""
        self._stopping = True
        self._wake.set()
        self._thread.join(LAST_WORD_S)

    def _exchange(self) -> Outcome:
        if self.config.direction == "push":
            return push(self._directory, self.config.sessions_url)
        return pull(self.config.sessions_url, self._directory)

    def _on_collector(self, message: String) -> None:
        if messages.message_to_state(message).get("phase") == "sealed":
            self._wake.set()

    def _pause(self, wait_s: float) -> bool:
        self._wake.wait(wait_s)
        self._wake.clear()
        return self._stopping

    def _told(self, came: Outcome | TurnRlError, wait_s: float) -> None:
        """Log what is new, and keep how things stand for /diagnostics."""
        before = self._standing[1]
        if isinstance(came, TurnRlError):
            self._standing = (WARN, str(came), {"next_try_s": wait_s, "moved": self._moved})
        else:
            self._moved += len(came.moved)
            count = len(came.moved) + len(came.known)
            said = "; ".join(came.refused) or f"{count} sessions are on both sides"
            self._standing = (WARN if came.refused else OK, said, {"moved": self._moved, "both_sides": count})
            for name in came.moved:
                self.get_logger().info(f"{self.config.direction}: {name}")
        if self._standing[0] == WARN and self._standing[1] != before:
            self.get_logger().warning(self._standing[1])

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        return self._standing


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `sync`."""
    os.nice(19)
    return run_node(Sync, args)
