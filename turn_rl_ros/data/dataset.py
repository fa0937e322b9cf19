"""All sealed sessions of one task as contiguous arrays."""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data import manifest
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import mark_cuts, row_dtype
from turn_rl_ros.data.sealed import SessionInfo

READERS = 4
"""Threads that read sessions side by side."""


@dataclass(frozen=True)
class Dataset:
    """Transitions of one task in time order; every array has one entry a row and is contiguous.

    Names, types and units are those of the session file (`schema.row_dtype`), save `episode`, which is counted on
    across sessions, so that one number never means two episodes.
    """

    spec: TaskSpec
    observations: NDArray[np.float32]
    actions: NDArray
    rewards: NDArray[np.float32]
    next_observations: NDArray[np.float32]
    terminals: NDArray[np.bool_]
    timeouts: NDArray[np.bool_]
    joint_position: NDArray[np.float64]
    joint_velocity: NDArray[np.float64]
    next_joint_position: NDArray[np.float64]
    next_joint_velocity: NDArray[np.float64]
    goal: NDArray[np.float64]
    stamp_ns: NDArray[np.int64]
    next_stamp_ns: NDArray[np.int64]
    episode: NDArray[np.int64]
    step: NDArray[np.int64]
    behaviour: NDArray[np.int32]
    intervention: NDArray[np.int32]
    command: NDArray[np.float64]
    session: NDArray[np.int32]
    """Which of `sessions` a row comes from."""
    sessions: tuple[SessionInfo, ...]
    manifest_sha256: str
    """One hash over the sha256 of all sessions, in order; empty for rows that were never on disk."""

    def __len__(self) -> int:
        """Count the transitions."""
        return len(self.rewards)

    @property
    def seconds(self) -> float:
        """Robot time behind these rows in seconds: one control period a row."""
        return len(self) * self.spec.period_s

    def episode_bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row of each episode and the row after its last one, (episodes,) each."""
        starts = np.flatnonzero(np.diff(self.episode, prepend=self.episode[0] - 1))
        return starts, np.append(starts[1:], len(self))

    @classmethod
    def from_transitions(cls, transitions: Sequence[Transition], spec: TaskSpec) -> "Dataset":
        """Rows from memory, treated as one session that was never on disk. Raises DatasetError, SessionError."""
        if not transitions:
            raise DatasetError("there are no transitions to make a dataset of")
        rows = RowPacker(row_dtype(spec)).table(transitions)
        columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
        columns["timeouts"] |= mark_cuts(columns)
        columns["episode"] = _count_on(columns["episode"], 0)
        session = np.zeros(len(rows), np.int32)
        return cls(spec, **columns, session=session, sessions=(), manifest_sha256="")


def load_dataset(directory: Path, spec: TaskSpec | None = None, *, verify: bool = True) -> Dataset:
    """Every sealed session in `directory`, oldest first.

    Args:
        directory: where sessions lie; `.part` files in it are left alone.
        spec: the task at hand; without it, the task of the oldest session.
        verify: hash each file against the manifest, so that no damaged byte is trained on; about a second a GB.

    Raises:
        SpecMismatch: a session was recorded for another task; names both and the first difference.
        DatasetError: a session cannot be read, or is not what the manifest says, or there is no row at all.
        SessionError: the manifest is damaged.
    """
    directory = Path(directory)
    known = manifest.read_manifest(directory)
    infos = [manifest.session_info(path, known.get(path.name)) for path in manifest.sealed_files(directory)]
    infos.sort(key=lambda info: (info.facts["created_utc"], info.path.name))
    counts = [info.rows for info in infos]
    if not sum(counts):
        raise DatasetError(
            f"no session with a row in {directory}; record one, or run `turn-rl data recover {directory}`"
        )
    spec = spec or infos[0].spec
    fingerprint = spec.fingerprint()
    for info in infos:
        if info.facts["fingerprint"] != fingerprint:
            spec.require_same(info.spec, info.path.name)
    expected = [known.get(info.path.name, {}).get("sha256", "") for info in infos]
    columns, hashes = _read(infos, expected, row_dtype(spec), verify)
    first, next_episode = 0, 0
    for count in filter(None, counts):
        part = columns["episode"][first : first + count]
        part[:] = _count_on(part, next_episode)
        next_episode, first = int(part[-1]) + 1, first + count
    session = np.repeat(np.arange(len(infos), dtype=np.int32), counts)
    total_hash = manifest.combined_sha256(hashes)
    return Dataset(spec, **columns, session=session, sessions=tuple(infos), manifest_sha256=total_hash)


def _read(
    infos: Sequence[SessionInfo], expected: Sequence[str], dtype: np.dtype, verify: bool
) -> tuple[dict[str, Any], list[str]]:
    """Every column, read from every file straight to its place, one allocation a column; and the files' sha256.

    `expected` has a hash for each file, empty for one that is not on the manifest.
    """
    total = sum(info.rows for info in infos)
    columns = {name: np.empty((total, *dtype[name].shape), dtype[name].base) for name in dtype.names or ()}
    firsts = itertools.accumulate((info.rows for info in infos), initial=0)

    def read_one(info: SessionInfo, sha256: str, first: int) -> str:
        try:
            if verify or not sha256:
                found = manifest.sha256_file(info.path)
                if sha256 and found != sha256:
                    raise DatasetError(
                        f"{info.path.name} changed after it was sealed: its sha256 is not the manifest's"
                    )
                sha256 = found
            with info.path.open("rb", buffering=0) as file:
                for name, offset in info.offsets.items():
                    _read_into(file.fileno(), columns[name][first : first + info.rows], offset, info.path)
        except OSError as error:
            raise DatasetError(f"cannot read {info.path}: {error.strerror}") from error
        return sha256

    with ThreadPoolExecutor(READERS) as pool:  # reading and hashing leave the interpreter free
        return columns, list(pool.map(read_one, infos, expected, firsts))


def _read_into(fd: int, target: NDArray, offset: int, path: Path) -> None:
    view, done = memoryview(target.data).cast("B"), 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            raise DatasetError(f"{path.name} ended while it was read: truncated")
        done += count


def _count_on(episode: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Episode numbers renamed to start, start + 1, ... in order of appearance."""
    return start + np.cumsum(np.diff(episode, prepend=episode[:1]) != 0, dtype=np.int64)
