"""The `.part` file: an append-only journal of rows that any kill leaves readable.

HDF5 keeps an index that every flush rewrites in several places; a process that dies between two of those writes
leaves a file which may not open. Here nothing that was written is touched again: a header, then packed records,
each followed by the CRC-32 of its bytes chained with its index. Sealing turns it into HDF5.

    magic 8 bytes | header length u32 | CRC-32 of the header u32 | header JSON | record | record | ...
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.schema import FACTS, row_dtype

MAGIC = b"TURNRL\x00\x02"
_HEAD = struct.Struct("<8sII")
_CRC = struct.Struct("<I")
MAX_HEADER = 16 * 2**20


def record_dtype(rows: np.dtype) -> np.dtype:
    """Put a checksum after each row."""
    return np.dtype([("row", rows), ("crc32", "<u4")])


def header(facts: Mapping[str, Any]) -> bytes:
    """Make the bytes before the first record. `facts` has the attributes of the session, task spec included."""
    text = json.dumps(facts, sort_keys=True).encode()
    return _HEAD.pack(MAGIC, len(text), zlib.crc32(text)) + text


def pack(rows: Sequence[bytes], start: int) -> bytes:
    """Follow each record by its checksum; `start` is the index of the first one in the file."""
    crc, as_bytes = zlib.crc32, _CRC.pack
    return b"".join([row + as_bytes(crc(row, n & 0xFFFFFFFF)) for n, row in enumerate(rows, start)])


def write_all(fd: int, data: bytes, at: int) -> None:
    """Write all of `data` at the offset `at`, or cut the file back to `at` and raise the OSError that stopped it."""
    view, done = memoryview(data), 0
    try:
        while done < len(view):
            done += os.pwrite(fd, view[done:], at + done)
    except OSError:
        os.ftruncate(fd, at)
        raise


def read(path: Path) -> tuple[dict[str, Any], TaskSpec, NDArray, int]:
    """Everything whole in a `.part` file.

    Returns:
        attributes; task spec; rows (n,) of `row_dtype`, up to the first record that is torn or damaged; number of
        bytes after them that could not be used.

    Raises:
        SessionError: the header is not readable, so nobody can tell what the rows mean.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SessionError(f"cannot read {path}: {error.strerror}") from error
    if len(data) < _HEAD.size:
        raise SessionError(f"{path.name} ends inside its header")
    magic, length, crc = _HEAD.unpack_from(data)
    text = data[_HEAD.size : _HEAD.size + length]
    if magic != MAGIC or length > MAX_HEADER or len(text) != length or zlib.crc32(text) != crc:
        raise SessionError(f"{path.name} has a damaged header")
    try:
        facts = {name: value for name, value in json.loads(text).items() if name in FACTS}
        spec = TaskSpec.from_json(facts["task_spec"])
        rows = row_dtype(spec)
    except (ValueError, KeyError, AttributeError, TypeError, TurnRlError) as error:
        raise SessionError(f"{path.name} has a header that this version cannot read: {error}") from error
    body = memoryview(data)[_HEAD.size + length :]
    kind = record_dtype(rows)
    records = np.frombuffer(body[: len(body) // kind.itemsize * kind.itemsize], kind)
    good = _count_good(body, records["crc32"].tolist(), rows.itemsize)
    return facts, spec, records["row"][:good].copy(), len(body) - good * kind.itemsize


def _count_good(body: memoryview, checks: list[int], width: int) -> int:
    size = width + 4
    for index, check in enumerate(checks):
        if zlib.crc32(body[index * size : index * size + width], index) != check:
            return index
    return len(checks)
