"""A sealed session: flat, contiguous HDF5 with D4RL names, written once and never changed.

The first 512 bytes are a user block, which HDF5 readers skip; it has the sha256 of everything after it. HDF5 itself
cannot be asked whether a file is damaged: some damaged files crash the library, some keep it busy for ever.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import sha256_of
from turn_rl_ros.data.schema import FACTS, SCHEMA_VERSION, dataset_path, row_dtype

SUFFIX = ".h5"
BLOCK = 512
SIGNATURE = b"turn_rl_ros session, HDF5 from byte 512, sha256 of the rest: "


@dataclass(frozen=True)
class SessionInfo:
    """What a sealed file says about itself, without its rows."""

    path: Path
    spec: TaskSpec
    facts: Mapping[str, Any]
    """Every name of `schema.FACTS`; what nobody told reads as the default there."""
    rows: int
    offsets: Mapping[str, int]
    """Column -> byte at which its contiguous values start in the file; empty columns have none."""


def write_sealed(path: Path, facts: Mapping[str, Any], rows: NDArray) -> None:
    """Write the rows (n,) of `row_dtype` and the attributes into the new file `path`. Raises OSError."""
    with h5py.File(path, "w", userblock_size=BLOCK) as file:
        for name, value in facts.items():
            file.attrs[name] = json.dumps(value, sort_keys=True) if isinstance(FACTS[name], dict) else value
        for column in rows.dtype.names or ():
            file.create_dataset(dataset_path(column), data=np.ascontiguousarray(rows[column]))
    sign(path)


def sign(path: Path) -> None:
    """Put the sha256 of what follows into the user block of `path`."""
    with path.open("r+b") as file:
        file.write((SIGNATURE + _digest(path)).ljust(BLOCK, b"\n"))


def check_signature(path: Path) -> None:
    """Raise DatasetError unless the file is as it was signed.

    A file that begins with HDF5's own mark was rewritten by another tool, and there is no signature to hold it to.
    """
    try:
        with path.open("rb") as file:
            block = file.read(BLOCK)
        if not block.startswith(b"\x89HDF\r\n") and block != (SIGNATURE + _digest(path)).ljust(BLOCK, b"\n"):
            raise DatasetError(f"{path.name} is damaged, or no session file: its content does not fit its sha256")
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist") from None
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error


def _digest(path: Path) -> bytes:
    """sha256, in hexadecimal digits, of everything after the user block."""
    with path.open("rb", buffering=0) as file:
        file.seek(BLOCK)
        return sha256_of(file).encode()


def read_info(path: Path) -> SessionInfo:
    """Check the whole structure of a sealed file and say what it holds; the rows stay on disk.

    Raises:
        DatasetError: not a session file, or one with a missing, misshapen or truncated column; names it.
    """
    check_signature(path)
    try:
        with h5py.File(path, "r") as file:
            facts = _facts(path, file)
            spec, fingerprint, columns = _parse(facts["task_spec"])
            if fingerprint != facts["fingerprint"]:
                raise DatasetError(f"{path.name}: the fingerprint is not the one of its task spec")
            rows = _row_count(path, file)
            size = path.stat().st_size
            offsets = {name: _offset(path, size, file, name, columns[name], rows) for name in columns.names or ()}
    except TurnRlError as error:
        raise error if isinstance(error, DatasetError) else DatasetError(f"{path.name}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path.name} is not a readable session file: {_line(error)}") from error
    return SessionInfo(path, spec, facts, rows, {name: at for name, at in offsets.items() if at is not None})


def info_from_parts(
    path: Path, facts: Mapping[str, Any], rows: int, offsets: Mapping[str, int], size: int
) -> SessionInfo:
    """A session's info from what is written elsewhere; raises DatasetError when a column would leave the file."""
    spec, fingerprint, kinds = _parse(facts["task_spec"])
    filled = [name for name in kinds.names or () if rows * kinds[name].itemsize]
    for name in filled:
        if not 0 <= offsets[name] <= size - rows * kinds[name].itemsize:
            raise DatasetError(f"{path.name}: {name} reaches beyond the end of the file")
    if fingerprint != facts["fingerprint"]:
        raise DatasetError(f"{path.name}: the fingerprint is not the one of its task spec")
    return SessionInfo(path, spec, facts, rows, {name: offsets[name] for name in filled})


def read_rows(info: SessionInfo) -> NDArray:
    """All rows of a sealed session as records of `row_dtype`, (rows,). Raises DatasetError."""
    out = np.empty(info.rows, row_dtype(info.spec))
    try:
        with h5py.File(info.path, "r") as file:
            for name in out.dtype.names or ():
                out[name] = file[dataset_path(name)][()]
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{info.path.name}: {_line(error)}") from error
    return out


def _facts(path: Path, file: h5py.File) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, default in FACTS.items():
        value = file.attrs.get(name, default)
        if isinstance(default, dict) and isinstance(value, str):
            value = json.loads(value)
        elif isinstance(value, np.generic):
            value = value.item()
        kind = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, kind):
            raise DatasetError(f"{path.name}: attribute {name} is {type(value).__name__}, not {type(default).__name__}")
        facts[name] = value
    if not file.attrs.get("task_spec"):
        raise DatasetError(f"{path.name} is HDF5 but no session file: it has no attribute task_spec")
    if facts["schema_version"] != SCHEMA_VERSION:
        raise DatasetError(f"{path.name} has schema {facts['schema_version']}, this version reads {SCHEMA_VERSION}")
    return facts


def _row_count(path: Path, file: h5py.File) -> int:
    rewards = file.get("rewards")
    if not isinstance(rewards, h5py.Dataset) or rewards.ndim != 1:
        raise DatasetError(f"{path.name}: rewards is missing or not one number a row")
    return int(rewards.shape[0])


def _offset(path: Path, size: int, file: h5py.File, name: str, kind: np.dtype, rows: int) -> int | None:
    """Where a column begins, after every check; HDF5's own calls, as h5py's wrappers cost three times as much."""
    where = dataset_path(name)
    try:
        column = h5py.h5d.open(file.id, where.encode())
    except (KeyError, ValueError, TypeError):
        raise DatasetError(f"{path.name}: {where} is missing") from None
    if column.shape != (rows, *kind.shape) or column.dtype != kind.base:
        raise DatasetError(
            f"{path.name}: {where} is {column.dtype} {column.shape}, the task needs {kind.base} {(rows, *kind.shape)}"
        )
    count = math.prod(column.shape)
    at: int | None = column.get_offset()
    if column.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS or (at is None and count):
        raise DatasetError(f"{path.name}: {where} is not stored contiguously")
    if at is not None and at + count * kind.base.itemsize > size:
        raise DatasetError(f"{path.name}: {where} reaches beyond the end of the file: truncated")
    return at if count else None


@lru_cache(maxsize=64)
def _parse(task_spec: str) -> tuple[TaskSpec, str, np.dtype]:
    """A spec, its fingerprint and its row type; the sessions of a directory mostly share one text."""
    spec = TaskSpec.from_json(task_spec)
    return spec, spec.fingerprint(), row_dtype(spec)


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
