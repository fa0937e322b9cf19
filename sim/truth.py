"""The simulator's own record of what happened, for tests that compare a session file with the truth."""

import json
from pathlib import Path

from sim.arm import Array
from sim.controllers import Applied
from turn_rl_ros.core.errors import TurnRlError


class TruthLog:
    """One JSON line a tick, appended: the state, what the joints were told in it, and the state that followed.

    Keys: stamp_ns, joint_position, joint_velocity, source, interface, command, next_stamp_ns, next_joint_position,
    next_joint_velocity. Lists have one entry a joint.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file = Path(path).expanduser().open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise TurnRlError(f"arm: log_path = {path!r}: cannot write there ({error.strerror})") from error

    def write(
        self, stamp_ns: int, before: tuple[Array, ...], applied: Applied, next_stamp_ns: int, after: tuple[Array, ...]
    ) -> None:
        """Add one tick; `before` and `after` begin with position and velocity, (n,) each."""
        line = {
            "stamp_ns": stamp_ns,
            "joint_position": before[0].tolist(),
            "joint_velocity": before[1].tolist(),
            "source": applied.source,
            "interface": applied.interface,
            "command": applied.values.tolist(),
            "next_stamp_ns": next_stamp_ns,
            "next_joint_position": after[0].tolist(),
            "next_joint_velocity": after[1].tolist(),
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
