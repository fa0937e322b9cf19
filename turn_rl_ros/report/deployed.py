"""The story of the policies that a run deployed: taken, refused, tried, rolled back."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from turn_rl_ros.core.deployed import Event, read_history


@dataclass(frozen=True)
class Chapter:
    """One event of the history, as a reader wants it."""

    when: str
    turn: str
    what: str
    why: str
    alarming: bool
    """A refusal or a rollback: something that an operator has to know."""


def deployed_story(run_dir: Path) -> list[Chapter]:
    """Every event of RUN/deployed, oldest first; empty where nothing was deployed. Raises TurnRlError."""
    return list(_chapters(read_history(run_dir)))


def _chapters(events: Iterable[Event]) -> Iterable[Chapter]:
    for event in events:
        kind = event["event"]
        turn = str(event["turn"]) if "turn" in event else "–"
        when = str(event.get("utc", "–"))[:19].replace("T", " ")
        yield Chapter(when, turn, kind, _why(event), kind in ("refused", "rolled back"))


def _why(event: Event) -> str:
    if event["event"] == "acted":
        returns = event.get("returns", [])
        mean = f", mean return {sum(returns) / len(returns):.2f}" if returns else ""
        return f"{len(returns)} whole episodes{mean}"
    if event["event"] == "rolled back":
        to = str(event.get("to", ""))[:12]
        return f"{event.get('reason', '')}; {f'policy {to}' if to else 'random behaviour'} acts again"
    return str(event.get("reason", "")) or f"sha256 {str(event.get('sha256', ''))[:12]}"
