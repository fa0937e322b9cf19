"""Options that choose sessions and episodes, for every command that reads data."""

import re
import sys
from datetime import datetime
from typing import Annotated

import typer

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data.select import ORIGINS, Choice

Turns = Annotated[str | None, typer.Option(help="Turns of the sessions: 3, 2-5, or 4- for all from 4 on.")]
Policy = Annotated[str | None, typer.Option(help="What acted: the turn that trained it, or how its sha256 begins.")]
Since = Annotated[datetime | None, typer.Option(help="Sessions that began at this time (UTC) or later.")]
Until = Annotated[datetime | None, typer.Option(help="Sessions that began before this time (UTC).")]
Origin = Annotated[
    str | None, typer.Option(help=f"Where it was recorded: {', '.join(ORIGINS.values())}.", metavar="NAME")
]
Success = Annotated[bool | None, typer.Option("--success/--failure", help="Episodes that ended well, or did not.")]


def make_choice(
    turns: str | None, policy: str | None, since: datetime | None, until: datetime | None, origin: str | None,
    success: bool | None,
) -> Choice:  # fmt: skip
    """What the options say. Raises TurnRlError for one that says nothing known."""
    if origin is not None and origin not in ORIGINS.values():
        raise TurnRlError(f"--origin {origin}: known are {', '.join(ORIGINS.values())}")
    if policy is not None and not re.fullmatch(r"-?\d{1,5}|[0-9a-fA-F]{6,64}", policy):
        raise TurnRlError(f"--policy {policy}: give a turn, or at least 6 digits of a sha256")
    acted = int(policy) if policy is not None and len(policy) < 6 else policy
    return Choice(None if turns is None else _turns(turns), acted, since, until, origin, success)


def _turns(text: str) -> range:
    """`3`, `2-5` with both ends, or `4-`. Raises TurnRlError."""
    found = re.fullmatch(r"(\d+)(-(\d*))?", text)
    if not found:
        raise TurnRlError(f"--turns {text}: write 3, 2-5, or 4- for all from 4 on")
    first = int(found[1])
    last = first if found[2] is None else int(found[3] or sys.maxsize - 1)
    if last < first:
        raise TurnRlError(f"--turns {text}: the last turn comes before the first")
    return range(first, last + 1)
