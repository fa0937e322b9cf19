"""Will the window fit on the disk? Asked before it opens, because a window cannot be had again."""

import math
import os
from pathlib import Path

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.journal import record_dtype
from turn_rl_ros.data.schema import row_dtype

OVERHEAD_BYTES = 2**18
"""Headers, attributes, manifest and the blocks of the file system that are only partly used."""


def expected_bytes(spec: TaskSpec, window_s: float) -> int:
    """Bytes that a window of `window_s` seconds needs at its end, when the journal and its sealed copy both exist."""
    row = row_dtype(spec)
    return math.ceil(window_s * spec.rate_hz) * (record_dtype(row).itemsize + row.itemsize) + OVERHEAD_BYTES


def free_bytes(directory: Path) -> int:
    """Bytes that this user may still write below `directory`, which need not exist yet. Raises SessionError."""
    directory = Path(directory).absolute()
    present = next(path for path in (directory, *directory.parents) if path.exists())
    try:
        disk = os.statvfs(present)
    except OSError as error:
        raise SessionError(f"cannot look at the disk of {directory}: {error.strerror}") from error
    return disk.f_bavail * disk.f_frsize


def require_room(directory: Path, spec: TaskSpec, window_s: float) -> None:
    """Raise SessionError, with both figures, when a window of `window_s` seconds would not fit."""
    needed, free = expected_bytes(spec, window_s), free_bytes(directory)
    if free < needed:
        raise SessionError(
            f"a window of {window_s:g} s needs {needed / 1e6:.1f} MB in {directory}, {free / 1e6:.1f} MB are free: "
            f"make room or shorten the window to at most {longest_window_s(spec, free):.0f} s"
        )


def longest_window_s(spec: TaskSpec, free: int) -> float:
    """The longest window in seconds that `free` bytes have room for."""
    per_second = expected_bytes(spec, 1.0) - OVERHEAD_BYTES
    return max(0.0, (free - OVERHEAD_BYTES) / per_second)


def reserve(path: Path, size: int) -> None:
    """Make sure that `size` bytes can be written to the new file `path`, before HDF5 starts: it fails badly half-way.

    Raises OSError.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)
