"""The policies that a robot's computer took, kept there: RUN/deployed with the files and `history.jsonl`.

It outlives the trainer, the wire and the executor: what acts after a restart, and what a rollback goes back to, are
worked out from the history. Each line is one event; `EVENTS` names them.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.store import Parcel, PolicyStore, read_parcel

FOLDER, HISTORY = "deployed", "history.jsonl"
EVENTS = ("taken", "refused", "acted", "passed", "rolled back")
"""taken: checked, and acts from the next episode on. refused: a check failed. acted: what came of one window. passed:
no worse than the one before. rolled back: the one before acts again, and this one is not taken again."""
RECENT_EPISODES = 50
"""Episodes of a policy that the next one is compared with."""

Event = Mapping[str, Any]


class Deployed:
    """The history of one robot's policies; every change is on disk before the call returns."""

    def __init__(self, run_dir: Path) -> None:
        """Raises TurnRlError when there is a history that cannot be read."""
        self.store = PolicyStore(run_dir, FOLDER)
        self._path = self.store.directory / HISTORY
        self.events: list[Event] = read_history(run_dir)

    @property
    def standing(self) -> list[str]:
        """sha256 of the policies taken and not rolled back; the last one acts, the one before it is the way back."""
        taken: list[str] = []
        for event in self.events:
            sha256 = event.get("sha256", "")
            if event["event"] in ("taken", "rolled back"):
                taken = [one for one in taken if one != sha256]
            if event["event"] == "taken":
                taken.append(sha256)
        return taken

    def withdrawn(self, sha256: str) -> str:
        """Why a policy was rolled back; empty for one that was not."""
        reasons = [e.get("reason", "") for e in self._of(sha256) if e["event"] == "rolled back"]
        return str(reasons[-1]) if reasons else ""

    def judged(self, sha256: str) -> bool:
        """Whether its trial is over."""
        return any(event["event"] in ("passed", "rolled back") for event in self._of(sha256))

    def returns(self, sha256: str) -> list[float]:
        """Returns of the newest RECENT_EPISODES episodes that a policy drove."""
        return [value for event in self._of(sha256) for value in event.get("returns", ())][-RECENT_EPISODES:]

    def parcel(self, sha256: str) -> Parcel:
        """A policy from disk. Raises TurnRlError when it is gone, PolicyRejected when it was changed."""
        path = self.store.find_sha256(sha256)
        if path is None:
            raise TurnRlError(f"{self.store.directory} has lost policy {sha256[:12]}")
        parcel = read_parcel(path)
        if parcel.sha256 != sha256:
            raise PolicyRejected(f"{path.name} has sha256 {parcel.sha256[:12]}: changed since it was taken")
        return parcel

    def take(self, turn: int, parcel: Parcel, utc: str) -> None:
        """Keep a checked policy. Raises TurnRlError when the disk refuses."""
        self.store.keep(turn, parcel)
        self.note("taken", utc, turn=turn, sha256=parcel.sha256, signed=bool(parcel.signature))

    def note(self, event: str, utc: str, **facts: Any) -> None:
        """Append an event of EVENTS. Raises TurnRlError when the disk refuses; it counts in this process all the same.

        Args:
            event: what happened.
            utc: when, in ISO 8601.
            facts: JSON values; `sha256` and `turn` of the policy, `reason`, `returns`, whatever applies.
        """
        line = {"event": event, "utc": utc, **facts}
        self.events.append(line)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                # A kill may have cut the last line; this one must not be read as its end.
                file.write(b"" if file.tell() == 0 else b"\n")
                file.write(json.dumps(line, sort_keys=True).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TurnRlError(f"cannot write {self._path}: {error.strerror}") from error

    def _of(self, sha256: str) -> Sequence[Event]:
        return [event for event in self.events if event.get("sha256") == sha256]


def read_history(run_dir: Path) -> list[Event]:
    """The events of a run's deployed policies, oldest first; empty where there are none. A cut line is left out.

    Raises:
        TurnRlError: the file cannot be read.
    """
    path = run_dir / FOLDER / HISTORY
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise TurnRlError(f"{path} cannot be read ({error.strerror})") from error
    events: list[Event] = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") in EVENTS:
            events.append(event)
    return events
