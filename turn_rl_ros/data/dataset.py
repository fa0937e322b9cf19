"""All sealed sessions of one task as contiguous arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data import manifest
from turn_rl_ros.data.columns import Columns, Files, Key, Memory, count
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.hashes import Hashes
from turn_rl_ros.data.reading import Verify, count_on, number, read_sessions, survey
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import mark_cuts, row_dtype
from turn_rl_ros.data.sealed import SessionInfo


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
        return cls.from_rows(RowPacker(row_dtype(spec)).table(transitions), spec)

    @classmethod
    def from_rows(cls, rows: NDArray, spec: TaskSpec, sessions: tuple[SessionInfo, ...] = ()) -> "Dataset":
        """Records (n,) of `schema.row_dtype`, treated as one session; `sessions` has its info, if it has one."""
        columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
        columns["timeouts"] |= mark_cuts(columns)
        columns["episode"] = count_on(columns["episode"], 0)
        session = np.zeros(len(rows), np.int32)
        return cls(spec, **columns, session=session, sessions=sessions, manifest_sha256="")

    def to_rows(self) -> NDArray:
        """All transitions as records (n,) of `schema.row_dtype`, for a session file."""
        rows = np.empty(len(self), row_dtype(self.spec))
        for name in rows.dtype.names or ():
            rows[name] = getattr(self, name)
        return rows


class Loader:
    """The sealed sessions of a directory, loaded again and again at the cost of what is new since the last time.

    Datasets that it gave before stay as they were; they share memory with later ones, so write to none of them.
    """

    def __init__(
        self, directory: Path, spec: TaskSpec | None = None, *, verify: Verify = "changed", mmap: bool = False
    ) -> None:
        """Arguments as for `load_dataset`; nothing is read yet."""
        self._directory, self._spec, self._verify, self._mmap = Path(directory), spec, verify, mmap
        self._columns: Columns | None = None

    def load(self) -> Dataset:
        """Every session that is sealed by now, oldest first. Raises as `load_dataset`."""
        hashes = Hashes(self._directory)
        infos, keys = survey(self._directory, hashes)
        if not count(keys):
            raise DatasetError(
                f"no session with a row in {self._directory}; record one, or run `turn-rl data recover "
                f"{self._directory}`"
            )
        spec = self._spec = self._spec or infos[0].spec
        fingerprint = spec.fingerprint()
        for info in infos:
            if info.facts["fingerprint"] != fingerprint:
                spec.require_same(info.spec, info.path.name)
        columns = self._columns = self._columns or self._new_columns(spec)
        with columns.lock():
            same = _common(columns.keys, keys) if self._verify != "always" else 0
            if same < len(keys) or same < len(columns.keys):
                same, arrays = columns.extend(same, count(keys))
                first = count(keys[:same])
                read_sessions(infos[same:], keys[same:], first, arrays, self._verify, hashes)
                number(infos, first, arrays)
            arrays = columns.commit(keys)
        total_hash = manifest.combined_sha256(key.sha256 for key in keys)
        return Dataset(spec, **arrays, sessions=tuple(infos), manifest_sha256=total_hash)

    def _new_columns(self, spec: TaskSpec) -> Columns:
        dtype = np.dtype([*row_dtype(spec).descr, ("session", "<i4")])
        return Files(self._directory, dtype, spec.fingerprint()) if self._mmap else Memory(dtype)


def load_dataset(
    directory: Path, spec: TaskSpec | None = None, *, verify: Verify = "changed", mmap: bool = False
) -> Dataset:
    """Every sealed session in `directory`, oldest first.

    Args:
        directory: where sessions lie; `.part` files in it are left alone.
        spec: the task at hand; without it, the task of the oldest session.
        verify: which files to hash against the manifest, so that no damaged byte is trained on. "changed": those that
            the file system says were touched since they last were hashed (see `data.hashes`); "always": all, about a
            second a GB; "never": none.
        mmap: map the columns from files in `directory`/.columns, read-only, instead of reading them into memory, for
            data larger than it. The files are written on the first call, as large as the sessions, and later calls
            append what is new.

    Raises:
        SpecMismatch: a session was recorded for another task; names both and the first difference.
        DatasetError: a session cannot be read, or is not what the manifest says, or there is no row at all.
        SessionError: the manifest is damaged.
    """
    return Loader(directory, spec, verify=verify, mmap=mmap).load()


def _common(ours: Sequence[Key], theirs: Sequence[Key]) -> int:
    """How many sessions two lists begin with in common."""
    differ = [one != other for one, other in zip(ours, theirs, strict=False)]
    return differ.index(True) if True in differ else len(differ)
