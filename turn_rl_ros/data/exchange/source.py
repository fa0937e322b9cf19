"""The file or folder that data came from: its regular files, how long they are, and one hash over them."""

import hashlib
from pathlib import Path

from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.hashes import sha256_file


def files(path: Path) -> list[Path]:
    """The file itself, or every file below a folder, by name.

    Raises:
        ExchangeError: nothing is there, or something that is no regular file, which might never end.
    """
    found = sorted(one for one in path.rglob("*") if not one.is_dir()) if path.is_dir() else [path]
    for one in found:
        if not one.is_file():
            raise ExchangeError(f"{one} is not a file" if one.exists() else f"{one} does not exist")
    if not found:
        raise ExchangeError(f"{path} is an empty folder")
    return found


def total_bytes(path: Path) -> int:
    """Length of a file, or of all files in a folder. Raises ExchangeError."""
    return sum(one.stat().st_size for one in files(path))


def sha256(path: Path) -> str:
    """Hash of a file; for a folder one over `<sha256>  <name>` lines, as `sha256sum` prints them, in order of names.

    Raises ExchangeError.
    """
    try:
        hashes = {one: sha256_file(one) for one in files(path)}
    except OSError as error:
        raise ExchangeError(f"cannot read {path}: {error.strerror}") from error
    if not path.is_dir():
        return hashes[path]
    lines = [f"{found}  {one.relative_to(path).as_posix()}\n" for one, found in hashes.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
