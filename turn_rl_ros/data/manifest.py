"""The manifest of a sessions directory: which sealed files belong to it, and the sha256 that each must have."""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.files import replace_text
from turn_rl_ros.data.sealed import SUFFIX, SessionInfo

NAME = "manifest.json"
_LEFT_OUT = ("task_spec",)
"""Facts that the manifest does not repeat: long, and pinned by the fingerprint beside them."""


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_files(directory: Path) -> list[Path]:
    """Every sealed session in `directory`, by name."""
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def read_manifest(directory: Path) -> dict[str, dict[str, Any]]:
    """File name -> sha256, bytes, rows and provenance; empty when there is no manifest yet. Raises SessionError."""
    path = directory / NAME
    try:
        sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"]
        if not all(isinstance(one["sha256"], str) and isinstance(one["bytes"], int) for one in sessions.values()):
            raise ValueError("an entry has no sha256")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SessionError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SessionError(f"{path} is damaged; `turn-rl data recover {directory}` makes a new one") from None
    return sessions


def write_manifest(directory: Path, sessions: dict[str, dict[str, Any]]) -> None:
    """Replace the manifest atomically. Raises OSError."""
    text = json.dumps({"schema": 1, "sessions": sessions}, indent=1, sort_keys=True, allow_nan=False)
    replace_text(directory / NAME, text + "\n")


def entry(info: SessionInfo) -> dict[str, Any]:
    """Say what the manifest keeps about a sealed session; a number that nobody told is null."""
    facts = {name: _plain(value) for name, value in info.facts.items() if name not in _LEFT_OUT}
    return {"sha256": sha256_file(info.path), "bytes": info.path.stat().st_size, "rows": info.rows, **facts}


def add(directory: Path, info: SessionInfo) -> None:
    """Put a sealed session on the manifest; the caller holds the directory's lock. Raises SessionError, OSError."""
    sessions = read_manifest(directory)
    sessions[info.path.name] = entry(info)
    write_manifest(directory, sessions)


def combined_sha256(hashes: Iterable[str]) -> str:
    """One hash for a list of sessions: sha256 over their hashes, one a line, in order."""
    return hashlib.sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest()


def verify(directory: Path) -> list[str]:
    """Hash everything again: one line for each missing, changed, truncated or foreign file. Raises SessionError."""
    sessions, problems = read_manifest(directory), []
    for name, known in sorted(sessions.items()):
        path = directory / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif (size := path.stat().st_size) < known["bytes"]:
            problems.append(f"{name}: truncated, {size} of {known['bytes']} bytes")
        elif sha256_file(path) != known["sha256"]:
            problems.append(f"{name}: changed, its sha256 is no longer {known['sha256'][:12]}")
    foreign = [path.name for path in sealed_files(directory) if path.name not in sessions]
    return problems + [f"{name}: foreign, not on the manifest" for name in foreign]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
