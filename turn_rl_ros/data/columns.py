"""Where the columns of a dataset lie, in memory or in mapped files: contiguous, and able to grow at the end.

Rows that a dataset already shows are never written again. Sessions that come later go behind them; sessions that do
not fit behind them (one came in between, one is gone) get new places.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.files import replace_file
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import stamp

Arrays = Mapping[str, NDArray]

ROOM = 2
"""Rows of memory asked for, for each row needed. The system hands out a page when it is first written, so room that
stays empty costs addresses, not memory."""

FOLDER = ".columns"
INDEX = "index.json"


class Key(NamedTuple):
    """A session whose rows are in the columns."""

    name: str
    sha256: str
    rows: int


class Columns(Protocol):
    """Columns that hold the rows of the sessions `keys`, in order."""

    keys: Sequence[Key]

    def lock(self) -> AbstractContextManager:
        """Hold on to the columns while they are looked at and extended; sets `keys`."""
        ...

    def extend(self, same: int, total: int) -> tuple[int, Arrays]:
        """Columns of `total` rows to write to, (total, ...) each.

        `same` sessions are wanted as they are; the first of the two results says how many of them are in place.
        """
        ...

    def commit(self, keys: Sequence[Key]) -> Arrays:
        """Say what is in the columns now; gives them to read, (rows, ...) each."""
        ...


def count(keys: Sequence[Key]) -> int:
    """Rows of these sessions."""
    return sum(key.rows for key in keys)


class Memory:
    """Columns in memory."""

    def __init__(self, dtype: np.dtype) -> None:
        self.keys: Sequence[Key] = []
        self._dtype = dtype
        self._arrays = _empty(dtype, 0)

    def lock(self) -> AbstractContextManager:
        """Nobody else has them."""
        return nullcontext()

    def extend(self, same: int, total: int) -> tuple[int, Arrays]:
        """New rows behind the old ones, in the same memory if there is room. See `Columns.extend`."""
        if same < len(self.keys) or total > len(self._arrays["session"]):
            self.keys = self.keys[:same]
            old, kept = self._arrays, count(self.keys)
            self._arrays = _empty(self._dtype, ROOM * total)
            for name, column in self._arrays.items():
                column[:kept] = old[name][:kept]
        return same, {name: column[:total] for name, column in self._arrays.items()}

    def commit(self, keys: Sequence[Key]) -> Arrays:
        """See `Columns.commit`."""
        self.keys = keys
        return {name: column[: count(keys)] for name, column in self._arrays.items()}


class Files:
    """Columns as one file each in `.columns/` of the sessions directory, mapped into memory, shared by all processes.

    They are a copy and may be deleted at any time. `index.json` says which sessions are in them, with the stamp of each
    file: a file that was cut by a kill, damaged or copied no longer fits it, and all are made anew.
    """

    def __init__(self, directory: Path, dtype: np.dtype, fingerprint: str) -> None:
        self.keys: Sequence[Key] = []
        self._folder = directory / FOLDER
        self._dtype, self._fingerprint = dtype, fingerprint
        self._writing: Arrays = {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for other processes, and read what the columns hold by now. Raises DatasetError."""
        try:
            self._folder.mkdir(exist_ok=True)
            fd = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                self.keys = self._read_index()
                yield
            finally:
                os.close(fd)
        except OSError as error:
            raise DatasetError(f"cannot keep columns in {self._folder}: {error.strerror}; load without mmap") from error

    def extend(self, same: int, total: int) -> tuple[int, Arrays]:
        """New rows behind the old ones, or new files; room on the disk is made sure of first. See `Columns.extend`."""
        if same < len(self.keys) or not self.keys:
            same = 0
            for path in self._folder.iterdir():
                path.unlink()  # who has a file mapped keeps what it sees
        for name in self._names():
            kept, wanted = (rows * self._dtype[name].itemsize for rows in (count(self.keys[:same]), total))
            with self._path(name).open("ab") as file:
                file.truncate(kept)
                if wanted > kept:
                    os.posix_fallocate(file.fileno(), kept, wanted - kept)
        self._writing = self._map(total, "r+")
        return same, self._writing

    def commit(self, keys: Sequence[Key]) -> Arrays:
        """Make the rows durable, then the index. See `Columns.commit`."""
        if self._writing:
            for name in self._names():
                self._writing[name].flush()  # type: ignore[attr-defined]
            self._writing = {}
            stamps = {name: stamp(self._path(name)) for name in self._names()}
            index = {"fingerprint": self._fingerprint, "sessions": keys, "columns": stamps}
            replace_file(self._folder / INDEX, json.dumps(index).encode())
            self.keys = keys
        return {name: np.asarray(column) for name, column in self._map(count(keys), "r").items()}

    def _read_index(self) -> Sequence[Key]:
        try:
            index = json.loads((self._folder / INDEX).read_text(encoding="utf-8"))
            keys = [Key(str(name), str(sha256), int(rows)) for name, sha256, rows in index["sessions"]]
            fits = index["fingerprint"] == self._fingerprint and all(
                index["columns"][name] == stamp(self._path(name)) for name in self._names()
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []
        return keys if fits else []

    def _names(self) -> list[str]:
        """Columns that have a file; a task without joints has columns without bytes."""
        return [name for name in self._dtype.names or () if self._dtype[name].itemsize]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.bin"

    def _map(self, rows: int, mode: Literal["r", "r+"]) -> Arrays:
        arrays = _empty(self._dtype, rows)
        for name in self._names():
            kind = self._dtype[name]
            arrays[name] = np.memmap(self._path(name), kind.base, mode, shape=(rows, *kind.shape))
        return arrays


def _empty(dtype: np.dtype, rows: int) -> dict[str, NDArray]:
    return {name: np.empty((rows, *dtype[name].shape), dtype[name].base) for name in dtype.names or ()}
