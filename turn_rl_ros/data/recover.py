"""After a crash: seal what a killed recorder left behind. Safe to run at any time, and safe to kill."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data import manifest
from turn_rl_ros.data.errors import DatasetError, SessionError, SessionExists
from turn_rl_ros.data.files import DirectoryLock
from turn_rl_ros.data.schema import mark_cuts
from turn_rl_ros.data.seal import PART, SEALING, final_path, finish, read_part
from turn_rl_ros.data.sealed import SUFFIX, read_info

STOP_REASON = "recovered after a crash"
DAMAGED = ".damaged"


@dataclass(frozen=True)
class Recovered:
    """What became of one leftover file."""

    path: Path
    """The sealed session, or where the unreadable file lies now."""
    rows: int
    message: str
    """One line for a terminal."""


def recover(directory: Path) -> list[Recovered]:
    """Seal every `.part` in `directory`, oldest first; a second call finds nothing to do.

    A file that cannot be read is renamed `.damaged` and reported, never deleted.

    Raises:
        DirectoryBusy: somebody records here now. SessionError: the disk refuses.
    """
    directory = Path(directory)
    if not directory.is_dir():
        return []
    lock = DirectoryLock(directory)
    try:
        results = _mend_manifest(directory)
        for fresh in sorted(directory.glob(f"*{SUFFIX}{SEALING}")):
            results += _half_sealed(fresh)
        for header in directory.glob(f".*{SUFFIX}{PART}.new"):
            header.unlink()  # a header that never got its name: it holds no row
        return results + [_recover_part(part) for part in sorted(directory.glob(f"*{SUFFIX}{PART}"))]
    except OSError as error:
        raise SessionError(f"cannot recover {directory}: {error.strerror or error}") from error
    finally:
        lock.release()


def _recover_part(part: Path) -> Recovered:
    try:
        facts, rows, lost = read_part(part)
    except SessionError as error:
        return _set_aside(part, str(error))
    final = final_path(part)
    if final.exists():
        return _take_up_seal(part, final, facts, rows)
    facts = {**facts, "stop_reason": STOP_REASON, "recovered": True, "window_used_s": _span_s(rows)}
    cut = bool(len(rows)) and bool(mark_cuts({name: rows[name] for name in rows.dtype.names or ()})[-1])
    finish(part, facts, rows)
    tail = f"; {lost} bytes of an unfinished write are lost" if lost else ""
    return Recovered(
        final,
        len(rows),
        f"{final.name}: recovered {len(rows)} rows of {len(np.unique(rows['episode']))} episodes"
        f"{', the last one cut short' if cut else ''}{tail}",
    )


def _take_up_seal(part: Path, final: Path, facts: dict[str, Any], rows: NDArray) -> Recovered:
    """Finish a seal that was killed after the file got its name: the manifest and the `.part` are left to do."""
    try:
        finish(part, facts, rows)
    except SessionExists as error:
        return _set_aside(part, str(error))
    return Recovered(final, len(rows), f"{final.name}: had all {len(rows)} rows; put it on the manifest")


def _half_sealed(fresh: Path) -> list[Recovered]:
    """Remove an unfinished copy of a `.part`, which is still there: nothing is lost with it."""
    final = fresh.with_name(fresh.name.removesuffix(SEALING))
    if final.exists() or final.with_name(final.name + PART).exists():
        fresh.unlink()
        return []
    return [_set_aside(fresh, f"{fresh.name} has neither a {PART} nor a sealed file beside it")]


def _mend_manifest(directory: Path) -> list[Recovered]:
    try:
        manifest.read_manifest(directory)
        return []
    except SessionError:
        result = _set_aside(directory / manifest.NAME, "the manifest was damaged and is made anew")
    sessions = {}
    for path in manifest.sealed_files(directory):
        try:
            sessions[path.name] = manifest.entry(read_info(path))
        except DatasetError:
            continue  # stays foreign, so `verify` names it
    manifest.write_manifest(directory, sessions)
    return [result]


def _set_aside(path: Path, why: str) -> Recovered:
    number, target = 0, path.with_name(path.name + DAMAGED)
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{DAMAGED}.{number}")
    path.rename(target)
    return Recovered(target, 0, f"{why}; kept as {target.name}")


def _span_s(rows: NDArray) -> float:
    """Time that the rows cover in seconds; NaN when the clock ran backwards, which no figure could describe."""
    if not len(rows):
        return 0.0
    if (np.diff(rows["stamp_ns"]) < 0).any():
        return math.nan
    return float(rows["next_stamp_ns"][-1] - rows["stamp_ns"][0]) * 1e-9
