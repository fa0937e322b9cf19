"""How the trainer chose each policy: its estimate beside the others', or why nothing was delivered."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Choice:
    """What one training came to."""

    turn: int
    """In which the policy acts."""
    delivered: bool
    why: str


def choices(run_dir: Path) -> list[Choice]:
    """Every training of a run that told its story, by turn."""
    found = (_read(path) for path in sorted((run_dir / "training").glob("turn-*.json")))
    return [choice for choice in found if choice is not None]


def _read(path: Path) -> Choice | None:
    try:
        story = json.loads(path.read_text(encoding="utf-8"))
        return Choice(int(path.stem.split("-")[1]), bool(story["delivered"]), str(story["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # half a story is no story; the policy itself is checked elsewhere
