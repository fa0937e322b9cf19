"""A new directory of sealed sessions that were worked out, not recorded: it appears whole, or not at all."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from turn_rl_ros.core.files import sync
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data import manifest
from turn_rl_ros.data.errors import SessionError, SessionExists
from turn_rl_ros.data.schema import FACTS
from turn_rl_ros.data.seal import PART, part_name, seal_rows
from turn_rl_ros.data.sealed import read_info


class NewSessions:
    """Sessions on their way into a new directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._entries: dict[str, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Count the sessions."""
        return len(self._entries)

    def add(self, spec: TaskSpec, rows: NDArray, facts: Mapping[str, Any]) -> Path:
        """Seal the rows (n,) of `schema.row_dtype`; of the attributes, `created_utc` and `session_id` name the file.

        Raises SessionExists, OSError.
        """
        told = {**FACTS, **facts, "task_spec": spec.to_json(), "fingerprint": spec.fingerprint()}
        final = self._directory / part_name(told["created_utc"], told["session_id"]).removesuffix(PART)
        seal_rows(final, told, rows)
        self._entries[final.name] = manifest.entry(read_info(final))
        return final

    def close(self) -> None:
        """Write the manifest. Raises OSError."""
        manifest.write_manifest(self._directory, self._entries)


@contextmanager
def new_sessions(directory: Path) -> Iterator[NewSessions]:
    """Fill the new directory `directory`; an error on the way leaves nothing behind.

    Raises:
        SessionExists: the name is taken. SessionError: the disk refuses.
    """
    if directory.exists():
        raise SessionExists(f"{directory} exists and is not overwritten; choose another name, or remove it")
    fresh = directory.with_name(f".{directory.name}.new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        sessions = NewSessions(fresh)
        yield sessions
        sessions.close()
        fresh.rename(directory)
        sync(directory.parent)
    except OSError as error:
        raise SessionError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
