"""Ed25519 signatures of policy artifacts (RFC 8032): who made a policy, where a sha256 only says that it arrived whole.

What is signed is a line of text with the artifact's sha256, so blob and hash stay what they are without a signature.
Keys are PEM files, as `openssl pkey` reads and writes them. Needs the package `cryptography` (`pip install
'turn_rl_ros[sign]'`) only where a key is given.
"""

import os
from pathlib import Path
from typing import Any

from turn_rl_ros.core.errors import PolicyRejected, TurnRlError

_STATEMENT = "turn_rl_ros policy sha256:"


class SigningKey:
    """A private key: the trainer's."""

    def __init__(self, path: Path) -> None:
        """Raises TurnRlError when the file is no Ed25519 private key without a passphrase."""
        serialization, ed25519 = _library()
        content = _read(path)
        try:
            self._key = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            raise TurnRlError(f"{path} is no private key in PEM form without a passphrase") from error
        if not isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise TurnRlError(f"{path} is a private key, but not Ed25519; `turn-rl policy keygen` makes one")

    def sign(self, sha256: str) -> str:
        """The signature of an artifact with this hash, 128 hexadecimal digits."""
        return self._key.sign(_statement(sha256)).hex()


class PublicKey:
    """A public key: the robot computer's."""

    def __init__(self, path: Path) -> None:
        """Raises TurnRlError when the file is no Ed25519 public key."""
        serialization, ed25519 = _library()
        content = _read(path)
        try:
            self._key = serialization.load_pem_public_key(content)
        except (ValueError, TypeError) as error:
            raise TurnRlError(f"{path} is no public key in PEM form") from error
        if not isinstance(self._key, ed25519.Ed25519PublicKey):
            raise TurnRlError(f"{path} is a public key, but not Ed25519; `turn-rl policy keygen` makes one")

    def require(self, sha256: str, signature: str) -> None:
        """Raise PolicyRejected unless `signature` is this key's for an artifact with this hash."""
        from cryptography.exceptions import InvalidSignature

        if not signature:
            raise PolicyRejected("the policy is not signed, and this robot takes signed ones only (public_key is set)")
        try:
            self._key.verify(bytes.fromhex(signature), _statement(sha256))
        except (InvalidSignature, ValueError) as error:
            raise PolicyRejected("the policy's signature is not of this robot's public_key") from error


def make_key_pair(private: Path, public: Path) -> None:
    """Write a new pair of PEM files, the private one readable by its owner alone.

    Raises:
        TurnRlError: one of the files exists, or cannot be written.
    """
    serialization, ed25519 = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    known = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    made: list[Path] = []
    try:
        for path, content, mode in ((private, secret, 0o600), (public, known, 0o644)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                made.append(path)
                file.write(content)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise TurnRlError(f"cannot write the key {error.filename}: {error.strerror}; nothing was written") from error


def _statement(sha256: str) -> bytes:
    return f"{_STATEMENT}{sha256}".encode()


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise TurnRlError(f"cannot read the key {path}: {error.strerror}") from error


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise TurnRlError("signatures need the package cryptography: pip install 'turn_rl_ros[sign]'") from error
    return serialization, ed25519
