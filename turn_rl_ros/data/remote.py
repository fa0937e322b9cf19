"""A store of sealed sessions behind an fsspec URL: a folder, a host with ssh, an S3-compatible bucket.

A session lies there as `session-<UTC>-<id>.<sha256>.h5`. The name says what the content must be, so one listing tells
what is there, two robots cannot overwrite each other, and no index has to be kept. What is still on its way has a
hidden name, and gets its own after it was read back.
"""

import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turn_rl_ros.data.errors import SyncError
from turn_rl_ros.data.hashes import sha256_of
from turn_rl_ros.data.sealed import SUFFIX

Tick = Callable[[int], None]
"""Takes the bytes of a file that are through so far."""

_STORED = re.compile(r"(?P<stem>[^.].*)\.(?P<sha256>[0-9a-f]{64})" + re.escape(SUFFIX))

# sshfs would take any host key and wait a quarter of an hour for a link that is gone.
_SSH = {"known_hosts": (), "connect_timeout": 10, "keepalive_interval": 5, "keepalive_count_max": 3}


@dataclass(frozen=True)
class Listing:
    """What lies in a store."""

    sessions: dict[str, dict[str, int]]
    """Name of the session's file -> sha256 -> bytes; more than one sha256 is a conflict."""
    foreign: tuple[str, ...]
    """Names of everything else."""


class Remote:
    """One store. Every method raises SyncError when the other side fails or the link goes; trying again is safe."""

    def __init__(self, url: str) -> None:
        """Connect. `url` is what fsspec takes: /mnt/nas/arm, ssh://user@host/srv/arm, s3://bucket/arm."""
        self.shown = re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", url)
        protocol = url.partition("://")[0] if "://" in url else "file"
        try:
            import fsspec

            if protocol in ("ssh", "sftp"):  # fsspec's own takes any host key
                import sshfs  # noqa: F401
        except ImportError as error:
            raise SyncError(f"{self.shown} needs {error.name}: pip install 'turn_rl_ros[sync]'") from error
        options: dict[str, Any] = _SSH if protocol in ("ssh", "sftp") else {}
        with self._reaching("opened"):
            given = {**options, **fsspec.config.conf.get(protocol, {})}
            self._fs, self._root = fsspec.url_to_fs(url, skip_instance_cache=True, **given)

    def listing(self) -> Listing:
        """Everything in the store; a folder that is not there yet is empty."""
        sessions: dict[str, dict[str, int]] = {}
        foreign = []
        with self._reaching("listed"):
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:
                found = []
        for one in found:
            name = one["name"].rstrip("/").rpartition("/")[2]
            stored = _STORED.fullmatch(name)
            if stored and one["type"] == "file":
                sessions.setdefault(stored["stem"] + SUFFIX, {})[stored["sha256"]] = one["size"]
            elif not name.startswith("."):
                foreign.append(name)
        return Listing(sessions, tuple(sorted(foreign)))

    def send(self, path: Path, sha256: str, tick: Tick) -> None:
        """Put a file of this sha256 into the store, whole or not at all."""
        final = self._path(path.name, sha256)
        # The same host comes back to the same name, so a cut leaves nothing for others to clean up.
        fresh = f"{self._root}/.{final.rpartition('/')[2]}.{platform.node()}.partial"
        with self._reaching(f"given {path.name}"):
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.put_file(str(path), fresh, callback=_callback(tick))
            with self._fs.open(fresh, "rb") as file:
                arrived = sha256_of(file)
            if arrived != sha256:
                raise SyncError(f"{path.name} came to {self.shown} with sha256 {arrived}, not {sha256}; push it again")
            self._fs.mv(fresh, final)

    def fetch(self, name: str, sha256: str, target: Path, tick: Tick) -> None:
        """Get a file of the store as `target`, which may stay half-written when the link goes."""
        with self._reaching(f"asked for {name}"):
            self._fs.get_file(self._path(name, sha256), str(target), callback=_callback(tick))

    def _path(self, name: str, sha256: str) -> str:
        return f"{self._root}/{name.removesuffix(SUFFIX)}.{sha256}{SUFFIX}"

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        try:
            yield
        except SyncError:
            raise
        except ImportError as error:
            raise SyncError(f"{self.shown} needs another package: {error}") from error
        except Exception as error:  # every backend has errors of its own, and each means the same here
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise SyncError(f"the store {self.shown} could not be {what}: {said}; run it again") from error


def _callback(tick: Tick) -> Any:
    from fsspec.callbacks import Callback

    return Callback(hooks={"tick": lambda size, value, **_: tick(value)})
