"""From a `.part` journal to a sealed session, in steps that may be cut anywhere and repeated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.files import sync
from turn_rl_ros.data import journal, manifest
from turn_rl_ros.data.disk import OVERHEAD_BYTES, reserve
from turn_rl_ros.data.errors import DatasetError, SessionError, SessionExists
from turn_rl_ros.data.files import publish
from turn_rl_ros.data.schema import mark_cuts
from turn_rl_ros.data.sealed import SUFFIX, read_info, read_rows, write_sealed

PART = ".part"
SEALING = ".sealing"


def final_path(part: Path) -> Path:
    """Give the sealed name of a `.part` file."""
    return part.with_name(part.name.removesuffix(PART))


def finish(part: Path, facts: Mapping[str, Any], rows: NDArray) -> Path:
    """Seal the `rows` (n,) read from `part`; the caller holds the directory's lock.

    The `.part` goes last, after the sealed file is on the manifest, so a kill between any two steps loses nothing and
    the next call takes up where this one stopped.

    Raises:
        SessionExists: another session has the name. SessionError: the disk refuses. The `.part` stays in both cases.
    """
    final, fresh = final_path(part), _sealing(final_path(part))
    rows, cuts = _mark(rows)
    try:
        if not final.exists():
            _write(fresh, final, {**facts, "cut_episodes": cuts}, rows)
        elif not _same(final, rows, str(facts["session_id"])):
            raise SessionExists(f"{final} exists, holds something else and is not overwritten; {part.name} stays")
        manifest.add(final.parent, read_info(final))
        part.unlink()
        sync(final.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise SessionError(
            f"cannot seal {final} ({error.strerror or error}); its {len(rows)} rows are safe in {part.name}: "
            f"make room, then run `turn-rl data recover {final.parent}`"
        ) from error
    return final


def seal_rows(final: Path, facts: Mapping[str, Any], rows: NDArray) -> None:
    """Seal the `rows` (n,) of `schema.row_dtype` as the new file `final`; it is not yet on the manifest.

    Raises SessionExists, and OSError, after which an unfinished `.sealing` file may stay.
    """
    rows, cuts = _mark(rows)
    _write(_sealing(final), final, {**facts, "cut_episodes": cuts}, rows)


def read_part(part: Path) -> tuple[dict[str, Any], NDArray, int]:
    """Attributes, rows (n,) and number of unusable bytes of a `.part`. Raises SessionError."""
    facts, _, rows, lost = journal.read(part)
    return facts, rows, lost


def part_name(created: str, session_id: str) -> str:
    """`session-<UTC>-<id>.h5.part`; `created` is ISO 8601 in UTC."""
    return f"session-{created[:19].replace('-', '').replace(':', '')}Z-{session_id}{SUFFIX}{PART}"


def _same(final: Path, rows: NDArray, session_id: str) -> bool:
    """Whether a sealed file already holds these rows of this session."""
    try:
        info = read_info(final)
        sealed = read_rows(info)
    except DatasetError:
        return False
    return info.facts["session_id"] == session_id and np.array_equal(sealed.view(np.uint8), rows.view(np.uint8))


def _mark(rows: NDArray) -> tuple[NDArray, int]:
    """A copy of the rows (n,) with each broken-off episode marked in `timeouts`, and how many there are."""
    cuts = mark_cuts({name: rows[name] for name in rows.dtype.names or ()})
    rows = rows.copy()
    rows["timeouts"] |= cuts
    return rows, int(cuts.sum())


def _write(fresh: Path, final: Path, facts: Mapping[str, Any], rows: NDArray) -> None:
    reserve(fresh, rows.nbytes + OVERHEAD_BYTES // 4 + len(str(facts)))
    write_sealed(fresh, facts, rows)
    publish(fresh, final)


def _sealing(final: Path) -> Path:
    return final.with_name(final.name + SEALING)
