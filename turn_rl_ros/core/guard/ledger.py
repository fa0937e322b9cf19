"""The ledger: budgets and e-stop on disk, where a restart, a kill or a changed wall clock finds them as they were."""

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.files import replace_file

FORMAT = 1


class Ledger:
    """One JSON file: `estop` (the reason, or empty), `grants` by window id, `wear` of the arm. One guard at a time.

    What is used is charged ahead of time, by a thread of its own: a slow disk must not hold up a command.
    """

    def __init__(self, path: Path, robot: str) -> None:
        """Lock and read the file, or begin a new one.

        Raises:
            ConfigError: another guard has it, it cannot be read or written, or it is another robot's.
        """
        self._path = path
        self._lock_fd = _lock(path)
        try:
            self._content = _read(path, robot)
        except ConfigError:
            os.close(self._lock_fd)
            raise
        self._durable = self._content
        self._disk = threading.Lock()
        self._wake = threading.Condition()
        self._pending = self._closed = False
        self.fault = ""
        """Why the last write failed; empty when it did not."""
        self._thread = threading.Thread(target=self._keep_writing, name="ledger", daemon=True)
        self._thread.start()

    @property
    def estop(self) -> str:
        """Why the e-stop is latched; empty when it is not."""
        return self._content["estop"]

    def latch(self, reason: str) -> None:
        """Latch the e-stop, or re-arm with an empty reason. It is on disk after `flush`."""
        with self._wake:
            self._content = {**self._content, "estop": reason}

    def flush(self) -> None:
        """Have everything on disk when this returns; `fault` says why if it cannot be."""
        self._write()

    def grant(self, window_id: str) -> dict[str, Any]:
        """What was used of a grant; empty when nothing was."""
        return self._content["grants"].get(window_id, {})

    @property
    def wear(self) -> dict[str, Any]:
        """What was used of the arm."""
        return self._content["wear"]

    def charged_s(self, window_id: str) -> float:
        """Seconds of a grant that are on disk as used."""
        return float(self._durable["grants"].get(window_id, {}).get("seconds", 0.0))

    @property
    def busy(self) -> bool:
        """Whether a charge still waits for the disk."""
        return self._pending

    def charge(self, window_id: str, grant: Mapping[str, Any], wear: Mapping[str, Any]) -> None:
        """Write down what is used, soon and without waiting for it; `charged_s` tells when it is done."""
        with self._wake:
            self._content = {
                **self._content,
                "grants": {**self._content["grants"], window_id: dict(grant)},
                "wear": dict(wear),
            }
            self._pending = True
            self._wake.notify()

    def close(self) -> None:
        """End the thread and let another guard have the file; safe to call twice."""
        with self._wake:
            if self._closed:
                return
            self._closed = True
            self._wake.notify()
        self._thread.join()
        os.close(self._lock_fd)

    def _keep_writing(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closed)
                if self._closed:
                    return
            self._write()

    def _write(self) -> None:
        with self._disk:
            content = self._content
            self._pending = False
            try:
                replace_file(self._path, json.dumps(content, indent=1, sort_keys=True).encode())
            except OSError as error:
                self.fault = f"the ledger {self._path} cannot be written: {error.strerror}"
            else:
                self.fault, self._durable = "", content


def _lock(path: Path) -> int:
    """The right to keep this ledger; the kernel takes it back when the process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"guard: the ledger {path} cannot be kept ({error.strerror}); choose another run_dir or ledger"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise ConfigError(
            f"guard: another guard keeps the ledger {path}; an arm has one guard, stop the other"
        ) from None
    return fd


def _read(path: Path, robot: str) -> dict[str, Any]:
    fresh = {"format": FORMAT, "robot": robot, "estop": "", "grants": {}, "wear": {}}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return fresh
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"guard: the ledger {path} cannot be read ({error}); mend it, or remove it knowingly"
        ) from error
    if not isinstance(content, dict) or content.keys() != fresh.keys() or content["format"] != FORMAT:
        raise ConfigError(f"guard: {path} is not a ledger of this version; choose another run_dir or ledger")
    if content["robot"] != robot:
        raise ConfigError(f"guard: the ledger {path} is of the robot {content['robot']!r}, not {robot!r}")
    return content
