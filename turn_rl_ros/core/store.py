"""Policies on disk: `turn-001-<sha256, 12 digits>.safetensors`, one a turn, a `.sig` beside it where it is signed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.signature import SigningKey

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Parcel:
    """An artifact on its way, by wire or by disk."""

    blob: bytes
    sha256: str
    """What the sender says that it is."""
    signature: str = ""
    """Of the sha256, 128 hexadecimal digits; empty where nobody signed."""


def seal(blob: bytes, key: SigningKey | None = None) -> Parcel:
    """An artifact as its maker sends it, signed where there is a key."""
    sha256 = hashlib.sha256(blob).hexdigest()
    return Parcel(blob, sha256, key.sign(sha256) if key else "")


class PolicyStore:
    """Writes atomically, never overwrites another policy, finds by turn; the name holds the content to its hash."""

    def __init__(self, run_dir: Path, folder: str = "policies") -> None:
        self.directory = run_dir / folder

    def save(self, turn: int, blob: bytes, key: SigningKey | None = None) -> Path:
        """Keep an artifact as the policy of `turn`, signed where there is a key. Raises TurnRlError on a full disk."""
        return self.keep(turn, seal(blob, key))

    def keep(self, turn: int, parcel: Parcel) -> Path:
        """Keep what came, with its signature. Raises TurnRlError when the disk refuses."""
        path = self.directory / f"turn-{turn:03d}-{parcel.sha256[:12]}{SUFFIX}"
        try:
            if parcel.signature:  # first, so that no policy is ever seen without the signature that it came with
                replace_file(signature_of(path), f"{parcel.signature}\n".encode())
            replace_file(path, parcel.blob)
        except OSError as error:
            raise TurnRlError(f"cannot write the policy {path}: {error.strerror}") from error
        return path

    def all(self) -> list[Path]:
        """Every policy, by turn, the newest of a turn last."""
        found = self.directory.glob(f"turn-*-*{SUFFIX}")
        return sorted(found, key=lambda path: (turn_of(path), path.stat().st_mtime_ns))

    def find(self, turn: int) -> Path | None:
        """The policy of `turn`, the newest one if there are several; None when there is none."""
        return next((path for path in reversed(self.all()) if turn_of(path) == turn), None)

    def find_sha256(self, sha256: str) -> Path | None:
        """The policy whose hash begins like `sha256`; None when there is none."""
        return next((path for path in self.all() if path.stem.rpartition("-")[2] == sha256[:12]), None)

    def latest(self) -> Path | None:
        """The policy of the highest turn."""
        found = self.all()
        return found[-1] if found else None


def read_parcel(path: Path) -> Parcel:
    """A policy file and its signature, the content held against the hash in its name.

    Raises:
        PolicyRejected: the content is not what the name says.
        TurnRlError: the file cannot be read.
    """
    signature = signature_of(path)
    try:
        parcel = seal(path.read_bytes())
        signed = signature.read_text(encoding="ascii", errors="replace").strip() if signature.is_file() else ""
    except OSError as error:
        raise TurnRlError(f"the policy {path} cannot be read ({error.strerror})") from error
    said = path.stem.rpartition("-")[2]
    if path.name.startswith("turn-") and not parcel.sha256.startswith(said):
        raise PolicyRejected(f"{path.name} has sha256 {parcel.sha256[:12]}: changed since it was written")
    return Parcel(parcel.blob, parcel.sha256, signed)


def signature_of(path: Path) -> Path:
    """The file of a policy's signature."""
    return path.with_suffix(".sig")


def turn_of(path: Path) -> int:
    """The turn in a policy's file name; -1 in one that has none."""
    number = path.name.split("-")[1] if path.name.startswith("turn-") else ""
    return int(number) if number.isdecimal() else -1
