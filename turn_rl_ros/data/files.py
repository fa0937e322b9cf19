"""The names of session files: given once, never replaced, by one recorder at a time."""

import fcntl
import os
from pathlib import Path

from turn_rl_ros.core.files import sync
from turn_rl_ros.data.errors import DirectoryBusy, SessionError, SessionExists

LOCK_NAME = ".recording.lock"


def publish(fresh: Path, final: Path) -> None:
    """Give the finished file `fresh` the name `final` in one step, never replacing a file. Raises SessionExists."""
    sync(fresh)
    try:
        os.link(fresh, final)
    except FileExistsError:
        raise SessionExists(f"{final} exists and is not overwritten") from None
    fresh.unlink()
    sync(final.parent)


class DirectoryLock:
    """The right to write sessions into a directory; the kernel takes it back when the process dies."""

    def __init__(self, directory: Path, name: str = LOCK_NAME) -> None:
        """Create `directory` where needed and lock it; each `name` is a lock of its own.

        Raises:
            DirectoryBusy: somebody else has it. SessionError: the directory cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
