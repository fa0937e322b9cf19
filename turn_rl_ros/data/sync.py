"""Sealed sessions on their way between computers: `push` into a store, `pull` out of it.

Both may be cut anywhere and run again: what is there already does not travel again, what is half there is not seen, and
what does not fit its sha256 is named and left alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data import manifest
from turn_rl_ros.data.errors import DatasetError, DirectoryBusy, SessionExists, SyncError
from turn_rl_ros.data.files import DirectoryLock, publish
from turn_rl_ros.data.hashes import sha256_file
from turn_rl_ros.data.remote import Listing, Remote, Tick
from turn_rl_ros.data.seal import PART
from turn_rl_ros.data.sealed import read_info

LOCK_NAME = ".sync.lock"
PULLING = ".pulling"
"""End of the hidden name that a session has while it arrives."""
RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
"""Wait after a failure; it doubles up to the second figure."""

Progress = Callable[[int, int], None]
"""Takes the bytes that are through, and the bytes of all files that travel."""


@dataclass
class Outcome:
    """What became of one push or pull."""

    moved: list[str] = field(default_factory=list)
    """Files that travelled now."""
    known: list[str] = field(default_factory=list)
    """Files that were on both sides already."""
    refused: list[str] = field(default_factory=list)
    """One line for each file that was left alone: which, and why."""


def push(directory: Path, url: str, progress: Progress = lambda done, total: None) -> Outcome:
    """Bring every sealed session of `directory` into the store at `url`.

    Args:
        directory: the sessions of one recorder, with their manifest.
        url: what fsspec takes, such as `ssh://user@host/srv/arm` or `s3://bucket/arm`.
        progress: called while bytes travel.

    Raises:
        SyncError: the store cannot be reached, or another push or pull works here. SessionError: the manifest is bad.
    """
    lock, outcome = _lock(directory), Outcome()
    try:
        sealed = manifest.sealed_files(directory)  # before the manifest, on which a file comes last
        sessions, remote = manifest.read_manifest(directory), Remote(url)
        for path in sealed:
            if path.name not in sessions and not path.with_name(path.name + PART).exists():
                outcome.refused.append(f"{path.name}: foreign, not on the manifest")
        todo = _unsent(sessions, remote.listing(), outcome)
        for name, tick in _metered({name: sessions[name]["bytes"] for name in todo}, progress):
            sha256 = sessions[name]["sha256"]
            if fault := _unlike(directory / name, sha256):
                outcome.refused.append(f"{name}: {fault}")
            else:
                remote.send(directory / name, sha256, tick)
                outcome.moved.append(name)
        return outcome
    finally:
        lock.release()


def pull(url: str, directory: Path, progress: Progress = lambda done, total: None) -> Outcome:
    """Bring every session of the store at `url` into `directory`, made where missing, and onto its manifest.

    Raises:
        SyncError: the store cannot be reached, or another push or pull works here. SessionError: the manifest is bad,
            the disk refuses, or somebody records into this directory.
    """
    lock, outcome = _lock(directory), Outcome()
    try:
        for left in directory.glob(f".*{PULLING}"):  # by a pull that was killed
            left.unlink()
        remote = Remote(url)
        todo = _unfetched(directory, remote.listing(), outcome)
        for name, tick in _metered({name: size for name, (_, size) in todo.items()}, progress):
            try:
                _take(remote, directory / name, todo[name][0], tick)
                outcome.moved.append(name)
            except (DatasetError, SessionExists) as error:
                outcome.refused.append(f"{name}: {error}")
        return outcome
    finally:
        lock.release()


def keep_going(
    work: Callable[[], Outcome],
    told: Callable[[Outcome | TurnRlError, float], None],
    pause: Callable[[float], bool],
    period_s: float,
) -> None:
    """Repeat `work` every `period_s`, more and more rarely while it fails, until `pause` says to stop.

    `told` gets what came of it and how many seconds it is to the next try; `pause` waits so long, or less.
    """
    retry_s = RETRY_S
    while True:
        came: Outcome | TurnRlError
        try:
            came, wait_s, retry_s = work(), period_s, RETRY_S
        except TurnRlError as error:
            came, wait_s, retry_s = error, retry_s, min(2 * retry_s, LONGEST_RETRY_S)
        told(came, wait_s)
        if pause(wait_s):
            return


def _unsent(sessions: Mapping[str, Mapping], listing: Listing, outcome: Outcome) -> list[str]:
    """Names on the manifest that the store has not; what it has is noted in `outcome`."""
    todo = []
    for name, mine in sorted(sessions.items()):
        there, sha256 = listing.sessions.get(name, {}), mine["sha256"]
        if others := set(there) - {sha256}:
            outcome.refused.append(_conflict(name, sha256, min(others)))
        elif sha256 not in there:
            todo.append(name)
        elif there[sha256] != mine["bytes"]:
            outcome.refused.append(
                f"{name}: damaged in the store, {there[sha256]} bytes instead of {mine['bytes']}; remove it there"
            )
        else:
            outcome.known.append(name)
    return todo


def _unfetched(directory: Path, listing: Listing, outcome: Outcome) -> dict[str, tuple[str, int]]:
    """Name -> sha256 and bytes of what the store has and the directory has not; the rest is noted in `outcome`."""
    sessions, todo = manifest.read_manifest(directory), {}
    outcome.refused += [f"{name}: foreign, its name in the store has no sha256" for name in listing.foreign]
    for name, there in sorted(listing.sessions.items()):
        sha256 = sessions[name]["sha256"] if name in sessions else min(there)
        if others := set(there) - {sha256}:
            outcome.refused.append(_conflict(name, sha256, min(others)))
        elif name in sessions and (directory / name).exists():
            outcome.known.append(name)
        else:
            todo[name] = (sha256, there[sha256])
    return todo


def _take(remote: Remote, target: Path, sha256: str, tick: Tick) -> None:
    """Fetch one session, check it, and only then give it its name. Raises DatasetError for what does not fit."""
    fresh = target.with_name(f".{target.name}{PULLING}")
    # A pull that was killed just before the manifest has left the whole file; nothing else may be there.
    there = target.exists()
    try:
        if not there:
            remote.fetch(target.name, sha256, fresh, tick)
        if fault := _unlike(target if there else fresh, sha256):
            raise DatasetError(f"{fault}; left alone {f'in {target.parent}' if there else 'in the store'}")
        info = read_info(target if there else fresh)
        recording = DirectoryLock(target.parent)
        try:
            if not there:
                publish(fresh, target)
            manifest.add(target.parent, replace(info, path=target))
        finally:
            recording.release()
    except OSError as error:
        raise SyncError(f"cannot write {target}: {error.strerror}; make room, then pull again") from error
    finally:
        fresh.unlink(missing_ok=True)


def _unlike(path: Path, sha256: str) -> str:
    """How a file differs from the one of this sha256; empty when it does not. Raises SyncError."""
    try:
        found = sha256_file(path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise SyncError(f"cannot read {path}: {error.strerror}") from error
    return "" if found == sha256 else f"changed, its sha256 is {found} instead of {sha256}"


def _conflict(name: str, sha256: str, other: str) -> str:
    return f"{name}: two sessions have this name, of sha256 {sha256} and {other}; take one of them away"


def _metered(sizes: Mapping[str, int], progress: Progress) -> Iterator[tuple[str, Tick]]:
    """Each name with where to report the bytes of its file; `progress` hears of all files together."""
    before, total = 0, sum(sizes.values())
    for name, size in sizes.items():
        yield name, partial(_shift, progress, before, total)
        before += size
        progress(before, total)


def _shift(progress: Progress, before: int, total: int, through: int) -> None:
    progress(before + through, total)


def _lock(directory: Path) -> DirectoryLock:
    try:
        return DirectoryLock(directory, LOCK_NAME)
    except DirectoryBusy:
        raise SyncError(f"another push or pull works in {directory}; let it finish") from None
