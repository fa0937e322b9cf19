"""The policies of a run on disk: `policies/turn-001-<sha256, 12 digits>.safetensors`, one a turn."""

import hashlib
from pathlib import Path

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file


class PolicyStore:
    """Writes atomically, never overwrites, finds by turn."""

    def __init__(self, run_dir: Path) -> None:
        self._directory = run_dir / "policies"

    def save(self, turn: int, blob: bytes) -> Path:
        """Keep an artifact as the policy of `turn`. Raises TurnRlError when the disk refuses."""
        path = self._directory / f"turn-{turn:03d}-{hashlib.sha256(blob).hexdigest()[:12]}.safetensors"
        try:
            replace_file(path, blob)
        except OSError as error:
            raise TurnRlError(f"cannot write the policy {path}: {error.strerror}") from error
        return path

    def find(self, turn: int) -> Path | None:
        """The policy of `turn`, the newest one if there are several; None when there is none."""
        found = sorted(self._directory.glob(f"turn-{turn:03d}-*.safetensors"), key=lambda p: p.stat().st_mtime_ns)
        return found[-1] if found else None

    def latest(self) -> Path | None:
        """The policy of the highest turn."""
        turns = [int(path.name.split("-")[1]) for path in self._directory.glob("turn-*-*.safetensors")]
        return self.find(max(turns)) if turns else None
