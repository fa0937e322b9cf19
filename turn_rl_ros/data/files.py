"""File operations that survive a power cut: flush a directory, replace atomically, lock a directory."""

import fcntl
import os
from pathlib import Path

from turn_rl_ros.data.errors import DirectoryBusy, SessionError, SessionExists

LOCK_NAME = ".recording.lock"


def sync_directory(directory: Path) -> None:
    """Make renames and links in `directory` durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make the content of `path` durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_text(path: Path, text: str) -> None:
    """Give `path` the content `text`, atomically and durably."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)


def publish(fresh: Path, final: Path) -> None:
    """Give the finished file `fresh` the name `final` in one step, never replacing a file. Raises SessionExists."""
    sync_file(fresh)
    try:
        os.link(fresh, final)
    except FileExistsError:
        raise SessionExists(f"{final} exists and is not overwritten") from None
    fresh.unlink()
    sync_directory(final.parent)


class DirectoryLock:
    """The right to write sessions into a directory; the kernel takes it back when the process dies."""

    def __init__(self, directory: Path) -> None:
        """Create `directory` where needed and lock it. Raises DirectoryBusy, SessionError."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SessionError(f"cannot write sessions into {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise DirectoryBusy(f"another process records into {directory}; stop it or choose another") from None

    def release(self) -> None:
        """Let others in; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
