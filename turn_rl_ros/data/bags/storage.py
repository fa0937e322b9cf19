"""One storage file of a bag: whole, compressed, with a write-ahead log beside it, or broken off."""

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from turn_rl_ros.data.bags.errors import BagError

MCAP_MAGIC = b"\x89MCAP0\r\n"
_MCAP_END = b"\x0f" + (4).to_bytes(8, "little") + bytes(4) + b"\x02" + (20).to_bytes(8, "little") + bytes(20)
"""DataEnd and Footer records without a summary (https://mcap.dev/spec): read by a scan of the whole file."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""Begins a compressed message; CDR begins with its representation, which is never this."""
READERS: dict[str, Any] = {".db3": Sqlite3Reader, ".mcap": McapReader}
SUFFIXES = re.compile(r"\.(db3|mcap)(\.zstd)?$")


class Channel(NamedTuple):
    """A topic of one file."""

    id: int
    topic: str
    msgtype: str


class Storage(Protocol):
    """What rosbags' readers of single files offer, and ours for broken ones."""

    connections: Any

    def open(self) -> None:
        """Open the file."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def messages(self, connections: Collection[Any]) -> Iterator[tuple[Any, int, bytes]]:
        """Channel, receive stamp in ns and CDR bytes of each message."""
        ...


def open_storage(file: Path, scratch: Path) -> tuple[Storage, str]:
    """An open storage, and in what way the file is incomplete ("" when it is whole).

    Args:
        file: `.db3` or `.mcap`, or one of them with `.zstd` after it.
        scratch: an empty folder for unpacked and mended copies.

    Raises:
        BagError: nothing in the file can be read.
    """
    try:
        if file.suffix == ".zstd":
            file = _unpack(file, scratch)
        if any(_beside(file, end).exists() for end in ("-wal", "-journal")):
            file = _replay(file, scratch)
        storage: Storage = READERS[file.suffix](file)
        try:
            storage.open()
        except Exception as error:  # a damaged file makes the library raise almost anything
            storage, why = (_cut_database if file.suffix == ".db3" else _cut_mcap)(file, scratch), _line(error)
            storage.open()
            return storage, f"{file.name} was not finished ({why}): it is read as far as it goes"
    except Exception as error:
        raise BagError(f"{file} cannot be read as a bag: {_line(error)}") from error
    return storage, ""


def unpacked(raw: bytes) -> bytes:
    """A message as it was before message compression."""
    return zstd.decompress(raw)


def _unpack(file: Path, scratch: Path) -> Path:
    target = scratch / file.stem
    with zstd.open(file, "rb") as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def _beside(file: Path, end: str) -> Path:
    return file.with_name(file.name + end)


def _replay(file: Path, scratch: Path) -> Path:
    """A copy of a database into which SQLite has taken the log that a killed recorder left beside it."""
    target = scratch / file.name
    for end in ("", "-wal", "-journal"):
        if _beside(file, end).exists():
            shutil.copyfile(_beside(file, end), _beside(target, end))
    database = sqlite3.connect(target)
    database.execute("SELECT count(*) FROM sqlite_master")
    database.close()
    return target


class _Broken:
    """A database that is not whole: its messages in the order in which they were written, up to the first lost page."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.connections: list[Channel] = []

    def open(self) -> None:
        self._database = sqlite3.connect(f"file:{self._file}?immutable=1", uri=True)
        self._database.execute("PRAGMA writable_schema=ON")  # or SQLite does not look into a file that is cut short
        self.connections = [Channel(*row) for row in self._database.execute("SELECT id, name, type FROM topics")]

    def close(self) -> None:
        self._database.close()

    def messages(self, connections: Collection[Any]) -> Iterator[tuple[Any, int, bytes]]:
        by_id = {one.id: one for one in connections}
        for topic, stamp, raw in self._database.execute("SELECT topic_id, timestamp, data FROM messages"):
            if topic in by_id:
                yield by_id[topic], stamp, raw


def _cut_database(file: Path, scratch: Path) -> Storage:
    """Reads a copy of the whole pages: of one that is cut SQLite would take the missing bytes as zeros."""
    with file.open("rb") as start:
        page = int.from_bytes(start.read(18)[16:], "big")
    target = scratch / f"mended-{file.name}"
    shutil.copyfile(file, target)
    size = 65536 if page == 1 else max(page, 512)  # https://sqlite.org/fileformat.html, 1.3
    os.truncate(target, file.stat().st_size // size * size)
    return _Broken(target)


def _cut_mcap(file: Path, scratch: Path) -> Storage:
    """Reads a copy of the whole records with an end put to it."""
    target = scratch / f"mended-{file.name}"
    shutil.copyfile(file, target)
    with target.open("r+b") as whole:
        size, end = file.stat().st_size, len(MCAP_MAGIC)
        while end + 9 <= size:
            whole.seek(end)
            head = whole.read(9)
            after = end + 9 + int.from_bytes(head[1:], "little")
            if after > size or head[0] in (0x02, 0x0F):
                break
            end = after
        whole.truncate(end)
        whole.seek(end)
        whole.write(_MCAP_END + MCAP_MAGIC)
    reader: Any = McapReader(target)
    reader.messages = reader.messages_scan  # without an index the order is that of the file
    return reader


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
