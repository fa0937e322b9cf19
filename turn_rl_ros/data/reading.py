"""What sealed files a directory has, and their rows: several files at a time, each column straight to its place."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data import manifest
from turn_rl_ros.data.columns import Arrays, Key
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import Hashes
from turn_rl_ros.data.sealed import SessionInfo

READERS = 4
"""Threads that read sessions side by side; reading and hashing leave the interpreter free."""

Verify = Literal["changed", "always", "never"]
"""Which files to hash before their rows are used: those that changed since they last were, all, or none."""


def survey(directory: Path, hashes: Hashes) -> tuple[list[SessionInfo], list[Key]]:
    """What lies in a directory, oldest first, and the sha256 that each file must have: the manifest's, or its own.

    Dry runs, in which the arm did not obey, are left out unless there is nothing else.

    Raises DatasetError, and SessionError when the manifest is damaged.
    """
    known = manifest.read_manifest(directory)
    infos = [manifest.session_info(path, known.get(path.name)) for path in manifest.sealed_files(directory)]
    infos = [info for info in infos if not info.facts["dry_run"]] or infos
    infos.sort(key=lambda info: (info.facts["created_utc"], info.path.name))
    try:
        hashed = [known.get(info.path.name, {}).get("sha256") or hashes.of(info.path) for info in infos]
    except OSError as error:
        raise DatasetError(f"cannot read {error.filename}: {error.strerror}") from error
    return infos, [Key(info.path.name, sha256, info.rows) for info, sha256 in zip(infos, hashed, strict=True)]


def read_sessions(
    infos: Sequence[SessionInfo], keys: Sequence[Key], first: int, arrays: Arrays, verify: Verify, hashes: Hashes
) -> None:
    """Read each session into the rows from `first` on, in order; `keys` has the sha256 that each must have.

    Raises DatasetError for a file that is damaged or cannot be read.
    """

    def read_one(info: SessionInfo, key: Key, start: int) -> None:
        try:
            if verify != "never" and hashes.of(info.path, again=verify == "always") != key.sha256:
                raise DatasetError(f"{info.path.name} changed after it was sealed: its sha256 is not the manifest's")
            with info.path.open("rb", buffering=0) as file:
                for name, offset in info.offsets.items():
                    _read_into(file.fileno(), arrays[name][start : start + info.rows], offset, info.path)
        except OSError as error:
            raise DatasetError(f"cannot read {info.path}: {error.strerror}") from error

    starts = first + np.cumsum([0, *(info.rows for info in infos)])[:-1]
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read_one, infos, keys, starts.tolist()))
    hashes.save()


def number(infos: Sequence[SessionInfo], first: int, arrays: Arrays) -> None:
    """In the rows from `first` on: count episodes on from the row before, and say which session each row is from.

    `infos` are all sessions; those with their rows before `first` stay as they are.
    """
    start = 0
    for index, info in enumerate(infos):
        if info.rows and start >= first:
            part = arrays["episode"][start : start + info.rows]
            part[:] = count_on(part, int(arrays["episode"][start - 1]) + 1 if start else 0)
            arrays["session"][start : start + info.rows] = index
        start += info.rows


def count_on(episode: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Episode numbers renamed to start, start + 1, ... in order of appearance."""
    return start + np.cumsum(np.diff(episode, prepend=episode[:1]) != 0, dtype=np.int64)


def _read_into(fd: int, target: NDArray, offset: int, path: Path) -> None:
    view, done = memoryview(target.data).cast("B"), 0
    while done < len(view):
        found = os.preadv(fd, [view[done:]], offset + done)
        if found == 0:
            raise DatasetError(f"{path.name} ended while it was read: truncated")
        done += found
