"""Import: a foreign file becomes one sealed session of a recorded task, or nothing at all."""

import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros import __version__
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data import manifest
from turn_rl_ros.data.exchange import guard, source
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.describe import Said, describe, require_fit
from turn_rl_ros.data.exchange.experience import Experience
from turn_rl_ros.data.files import DirectoryLock
from turn_rl_ros.data.schema import FACTS, row_dtype
from turn_rl_ros.data.seal import SEALING, final_path, part_name, seal_rows
from turn_rl_ros.data.sealed import read_info

UNKNOWN = -1
"""`behaviour` of a row that nobody knows the author of."""


@dataclass(frozen=True)
class Imported:
    """What came of an import."""

    path: Path
    """The sealed session."""
    kind: str
    rows: int
    episodes: int
    terminal: int
    """How many of the episodes ended in a terminal state; the others were timed out."""
    notes: tuple[str, ...]


def import_file(path: Path, directory: Path, kind: str = "", said: Said | None = None) -> Imported:
    """Read a foreign file or folder and seal it as a session in `directory`, which is made where missing.

    A directory that has sessions already keeps their spec, so that several files become one dataset.

    Args:
        path: what to read.
        directory: where the session goes.
        kind: a name of `formats.FORMATS`; found out when empty.
        said: what the user knows about the data.

    Raises:
        ExchangeError: the file is refused, or does not fit the sessions that are there; nothing was written.
        DirectoryBusy, SessionError: the directory cannot be written.
    """
    sha256 = source.sha256(path)
    kind, data = guard.read(path, kind)
    there = manifest.sealed_files(directory)
    if there:
        spec, assumed = read_info(there[0]).spec, [f"bounds, names and rate are those of {there[0].name}"]
        require_fit(spec, data, str(directory))
    else:
        spec, assumed = describe(data, said or Said())
    notes = (*data.notes, *assumed)
    facts = {
        "stop_reason": "imported",
        "clock_source": "none",
        "window_used_s": len(data) * spec.period_s,
        "derived_from": {"file": path.name, "sha256": sha256, "format": kind, "done": list(notes)},
    }
    sealed = _seal(directory, spec, facts, _rows(data, spec))
    return Imported(sealed, kind, len(data), len(data.stops), int(data.terminals.sum()), notes)


def _rows(data: Experience, spec: TaskSpec) -> NDArray:
    """Records of `schema.row_dtype`, (rows,)."""
    rows = np.zeros(len(data), row_dtype(spec))
    for name in ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"):
        rows[name] = getattr(data, name)
    lengths = np.diff(data.stops, prepend=0)
    rows["episode"] = np.repeat(np.arange(len(lengths)), lengths)
    rows["step"] = np.arange(len(data)) - np.repeat(data.stops - lengths, lengths)
    rows["stamp_ns"] = np.arange(len(data)) * spec.period_ns
    rows["next_stamp_ns"] = rows["stamp_ns"] + spec.period_ns
    rows["behaviour"] = UNKNOWN
    return rows


def _seal(directory: Path, spec: TaskSpec, facts: Mapping[str, Any], rows: NDArray) -> Path:
    """Write a session in one go and put it on the manifest. Raises ExchangeError, DirectoryBusy, SessionError."""
    created, session_id = datetime.now(timezone.utc).isoformat(timespec="microseconds"), uuid.uuid4().hex[:8]
    told = {
        **FACTS,
        **facts,
        "host": platform.node(),
        "session_id": session_id,
        "software_version": __version__,
        "created_utc": created,
        "task_spec": spec.to_json(),
        "fingerprint": spec.fingerprint(),
    }
    final = final_path(directory / part_name(created, session_id))
    lock = DirectoryLock(directory)
    try:
        seal_rows(final, told, rows)
        manifest.add(directory, read_info(final))
    except OSError as error:
        final.unlink(missing_ok=True)
        raise ExchangeError(
            f"cannot write into {directory}: {error.strerror or error}; nothing was imported"
        ) from error
    finally:
        final.with_name(final.name + SEALING).unlink(missing_ok=True)
        lock.release()
    return final
