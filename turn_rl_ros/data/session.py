"""Recording a session: rows go into memory on the control thread and to disk on another one."""

import os
import platform
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from turn_rl_ros import __version__
from turn_rl_ros.core.files import sync
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data import journal
from turn_rl_ros.data.errors import SessionError, SessionExists
from turn_rl_ros.data.files import DirectoryLock
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import SCHEMA_VERSION, check_facts, row_dtype
from turn_rl_ros.data.seal import final_path, finish, part_name, read_part

FLUSH_S = 0.1
"""How long a row may wait before it is written and fsynced: 50 rows at 500 Hz; at most 0.5 s may be lost."""

CAPACITY = 16384
"""Rows that fit in memory while the disk stalls: 33 s at 500 Hz."""

_sync_rows = getattr(os, "fdatasync", os.fsync)
"""Makes rows, and the length that is needed to read them, durable; only the times of the file may be older (POSIX)."""

BURST = 64
"""Rows converted, in about 0.2 ms, before the writer thread gives way to others."""


class SessionWriter:
    """One session on its way to disk: `append` from one thread, then `seal`; the directory is locked in between.

    `append` costs a microsecond or two and never waits for the disk. When the disk stalls for longer than `CAPACITY`
    rows, further rows are dropped and counted under `writer_backlog`.
    """

    def __init__(
        self,
        directory: Path,
        spec: TaskSpec,
        facts: Mapping[str, Any] | None = None,
        *,
        created_utc: datetime | None = None,
        session_id: str = "",
        capacity: int = CAPACITY,
    ) -> None:
        """Lock `directory` (made where missing) and start the `.part` file.

        Args:
            directory: where the session goes.
            spec: the task.
            facts: attributes known so far, names of `schema.FACTS`.
            created_utc: when the session began; now, when not given.
            session_id: what makes the name unique; random when not given.
            capacity: rows held in memory at most.

        Raises:
            DirectoryBusy: another process records here. SessionExists: the name is taken.
            SessionError: the disk refuses.
        """
        began = (created_utc or datetime.now(timezone.utc)).astimezone(timezone.utc)
        created = began.isoformat(timespec="microseconds")
        self.facts: dict[str, Any] = {
            "host": platform.node(),
            "robot_description_sha256": str(spec.details.get("robot_description_sha256", "")),
            **check_facts(facts or {}),
            "schema_version": SCHEMA_VERSION,
            "session_id": session_id or uuid.uuid4().hex[:8],
            "software_version": __version__,
            "created_utc": created,
            "task_spec": spec.to_json(),
            "fingerprint": spec.fingerprint(),
        }
        self._pack = RowPacker(row_dtype(spec))
        self._queue: deque[Transition] = deque()
        self._capacity = capacity
        self._taken = self._written = self._peak = self._dropped = self._malformed = 0
        self._error: OSError | None = None
        self._misfit: SessionError | None = None
        self._closed = False
        self._sealed: Path | None = None
        self._part = Path(directory) / part_name(created, self.facts["session_id"])
        self._lock = DirectoryLock(Path(directory))
        try:
            self._file = self._open()
        except BaseException:
            self._lock.release()
            raise
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-writer", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The name that the sealed session has or will have."""
        return final_path(self._part)

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self._taken

    @property
    def backlog(self) -> int:
        """Rows that are not yet safe on disk."""
        return self._taken - self._written - self._malformed

    @property
    def dropped(self) -> int:
        """Rows refused because the disk stalled for too long."""
        return self._dropped

    def append(self, transition: Transition) -> None:
        """Take one transition and return at once; its arrays are not copied here and must not change afterwards.

        Raises:
            SessionError: the session is closed, the disk failed, or an earlier transition had a field of the wrong
                shape (that row is left out and counted under `malformed`).
        """
        if self._error or self._misfit or self._closed:
            raise self._failure()
        if len(self._queue) >= self._capacity:
            self._dropped += 1
            return
        self._queue.append(transition)
        self._taken += 1

    def flush(self) -> None:
        """Wait until every row taken so far is on disk. Raises SessionError."""
        self._drain()
        if self._error or self._misfit:
            raise self._failure()

    def seal(self, stop_reason: str, facts: Mapping[str, Any] | None = None) -> Path:
        """Write what is left, turn the `.part` into the final file and put it on the manifest.

        A second call changes nothing and gives the same path: the first reason stands.

        Args:
            stop_reason: why the session ended.
            facts: attributes known only now, such as `window_used_s`, `wear` and `drops`.

        Raises:
            SessionError: the disk refuses; every flushed row stays in the `.part`, which `recover` seals later.
        """
        if self._sealed is None:
            if self._closed:
                raise SessionError(f"{self._part} was left unsealed; run `turn-rl data recover {self._part.parent}`")
            try:
                self._halt()
                late = check_facts(facts or {})
                if self._error:
                    raise self._failure()
                drops = dict(late.get("drops", {}))
                for reason, count in (("writer_backlog", self._dropped), ("malformed", self._malformed)):
                    if count:
                        drops[reason] = drops.get(reason, 0) + count
                closing = {"stop_reason": stop_reason, "backlog_rows": self._peak, "drops": drops}
                _, rows, _ = read_part(self._part)
                self._sealed = finish(self._part, {**self.facts, **late, **closing}, rows)
            finally:
                self._lock.release()
        return self._sealed

    def close(self) -> None:
        """Stop without sealing: rows go to the `.part`, which the next `recover` seals. Safe to call twice."""
        self._halt()
        self._lock.release()

    def __enter__(self) -> "SessionWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> int:
        """Create the `.part`, header included, in one step, so that no kill leaves one without a header."""
        fresh = self._part.with_name(f".{self._part.name}.new")
        if self.path.exists():
            raise SessionExists(f"{self.path} exists and is not overwritten")
        try:
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                self._end = len(data := journal.header(self.facts))
                journal.write_all(fd, data, 0)
                os.fsync(fd)
                os.link(fresh, self._part)
                fresh.unlink()
                sync(self._part.parent)
            except BaseException:
                os.close(fd)
                fresh.unlink(missing_ok=True)
                raise
        except FileExistsError:
            raise SessionExists(f"{self._part} exists and is not overwritten") from None
        except OSError as error:
            raise SessionError(f"cannot start a session in {self._part.parent}: {error.strerror}") from error
        return fd

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._drain()

    def _drain(self) -> None:
        """Write and fsync every row that waits; keeps the first error for `append` and `seal` to raise."""
        with self._writing:
            waiting = len(self._queue)
            if self._file < 0 or self._error or not waiting:
                return
            self._peak = max(self._peak, waiting)
            try:
                rows = self._next_rows(waiting)
                data = journal.pack(rows, self._written)
                journal.write_all(self._file, data, self._end)
                _sync_rows(self._file)
                self._end += len(data)
                self._written += len(rows)
            except OSError as error:
                self._error = error

    def _next_rows(self, count: int) -> list[bytes]:
        """Take `count` transitions off the queue as records; one that does not fit is left out and remembered."""
        rows, take, pack = [], self._queue.popleft, self._pack
        for number in range(1, count + 1):
            if not number % BURST:
                time.sleep(0)  # lets a waiting control thread run
            try:
                rows.append(pack(take()))
            except SessionError as error:
                self._malformed += 1
                self._misfit = self._misfit or error
        return rows

    def _halt(self) -> None:
        self._closed = True
        self._stop.set()
        self._thread.join()
        self._drain()
        with self._writing:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _failure(self) -> SessionError:
        if self._error:
            return SessionError(
                f"recording to {self._part} failed ({self._error.strerror}) after {self._written} rows, which are safe "
                f"there; make room, then run `turn-rl data recover {self._part.parent}`"
            )
        if self._closed:
            return SessionError(f"{self.path.name} is closed; no more rows can be added")
        misfit, self._misfit = self._misfit, None
        return SessionError(f"a row was left out: {misfit}")
