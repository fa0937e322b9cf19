"""Export: a dataset becomes one file or folder of another format, or nothing at all."""

import shutil
from pathlib import Path

from turn_rl_ros.core.files import sync
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.disk import free_bytes
from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience
from turn_rl_ros.data.exchange.formats import known

HEADERS = 16 * 2**10
"""Bytes for the groups and arrays of one episode in HDF5, generously."""


def export(data: Dataset, kind: str, out: Path) -> Experience:
    """Write all rows of `data` to `out`, a file or a folder as the format has it; gives what was written.

    Raises:
        ExchangeError: the format is unknown, a value is not finite, `out` exists, or the disk refuses; nothing
            half-written stays.
        SessionError: the disk cannot be looked at.
    """
    form = known(kind)
    if out.exists() or out.is_symlink():
        raise ExchangeError(f"{out} exists and is not overwritten")
    rows, fresh = Experience.of(data), out.with_name(f".{out.name}.new")
    needed, free = _expected_bytes(rows), free_bytes(out.parent)
    if free < needed:  # HDF5 fails badly when the disk fills up under it
        raise ExchangeError(f"{out} needs up to {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free")
    _remove(fresh)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        form.write(rows, data.spec, fresh, out)
        for one in [*fresh.rglob("*"), fresh] if fresh.is_dir() else [fresh]:
            sync(one)
        fresh.rename(out)
        sync(out.parent)
    except OSError as error:
        raise ExchangeError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        _remove(fresh)
    return rows


def _expected_bytes(rows: Experience) -> int:
    """What any format needs at most: the values, some twice, and the headers that HDF5 gives each episode's arrays."""
    arrays = (rows.observations, rows.next_observations, rows.actions, rows.rewards, *rows.infos.values())
    return 2 * sum(values.nbytes for values in arrays) + HEADERS * (len(rows.stops) + 64)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
