"""Hashing a file once: its sha256 stands until the file system says that the file was touched.

A file is the same while device, inode, size, modification time and change time are the same. No program can set the
change time (ctime), so an edit, a copy or a restored backup is always hashed again. What this cannot see is a medium
that loses bits by itself, or a clock that somebody sets back: for that `turn-rl data verify` and `verify="always"` read
every byte.
"""

import hashlib
import json
import time
from pathlib import Path
from typing import BinaryIO

from turn_rl_ros.core.files import replace_file

NAME = ".verified.json"
SETTLED_NS = 2 * 10**9
"""A file that changed less than this ago is hashed, not remembered: the next change could bear the same stamp. Git
calls such an entry racy; two seconds are the coarsest step of a file system in use (FAT)."""

BLOCK = 2**20

Stamp = list[int]


def sha256_of(file: BinaryIO) -> str:
    """Hash of what is left to read in a file, 64 hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes, 64 hexadecimal digits. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return sha256_of(file)


def stamp(path: Path) -> Stamp:
    """What changes whenever the file does: device, inode, bytes, mtime and ctime in ns. Raises OSError."""
    found = path.stat()
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


class Hashes:
    """sha256 of the files of one directory, remembered in `.verified.json` beside them.

    The memory only saves time: where it cannot be read or written, each file is hashed. `of` may be called from several
    threads, and several processes may share the memory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._known: dict[str, tuple[Stamp, str]] = {}
        self._new = False
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {name: (one["stamp"], one["sha256"]) for name, one in content.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass

    def of(self, path: Path, *, again: bool = False) -> str:
        """sha256 of a file of this directory; read only if it changed since it was, or `again`. Raises OSError."""
        before = stamp(path)
        remembered, sha256 = self._known.get(path.name, (None, ""))
        if remembered == before and not again:
            return sha256
        sha256 = sha256_file(path)
        if time.time_ns() - before[-1] > SETTLED_NS and stamp(path) == before:
            self._known[path.name] = (before, sha256)
            self._new = True
        return sha256

    def save(self) -> None:
        """Keep what was learnt for the next process; a directory that cannot be written stays as it is."""
        if not self._new:
            return
        content = {name: {"stamp": found, "sha256": sha256} for name, (found, sha256) in sorted(self._known.items())}
        try:
            replace_file(self._path, json.dumps(content).encode())
        except OSError:
            return
        self._new = False
