"""`turn-rl data relabel`: what was recorded, under another reward, success radius or goal."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from turn_rl_ros.commands.choice import Origin, Policy, Since, Success, Turns, Until, make_choice
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data.relabel import Change, relabel_sessions


def relabel(
    directory: Annotated[Path, typer.Argument(help="Directory with session files.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="New directory for the relabelled sessions.")],
    reward: Annotated[str | None, typer.Option(help="Another reward of the task; reach: both, sparse, dense.")] = None,
    success_radius: Annotated[float | None, typer.Option(help="Another success radius, metres.")] = None,
    goal: Annotated[str | None, typer.Option(help="One goal for all: x,y,z in metres.", metavar="X,Y,Z")] = None,
    hindsight: Annotated[
        str | None,
        typer.Option(
            help="Goals that were reached: final (in the end), future (at a step drawn at random), or a number: "
            "so many future copies of each episode.",
            metavar="final|future|K",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="With --hindsight: the episodes with their own goals too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the steps that future goals are taken from.", min=0)] = 0,
    turns: Turns = None,
    policy: Policy = None,
    since: Since = None,
    until: Until = None,
    origin: Origin = None,
    success: Success = None,
) -> None:
    """Write recorded sessions anew under another reward, success radius or goal; the originals stay as they are.

    The new sessions say in `derived_from` which file each comes from, its sha256, and what was changed. A policy
    trained on another reward or radius is for the task with that reward or radius: set `task.reward` and
    `task.success_radius_m` alike where it shall run.

    For example:

        turn-rl data relabel runs/demo/sessions --out sparse --reward sparse --success-radius 0.02

        turn-rl data relabel runs/demo/sessions --out her --hindsight 4 --keep --turns 2-5

        turn-rl data relabel runs/demo/sessions --out good --success --since 2026-11-01
    """
    strategy, copies = _strategy(hindsight)
    change = Change(reward, success_radius, _goal(goal), strategy, copies, keep, seed)
    choice = make_choice(turns, policy, since, until, origin, success)
    console = Console(stderr=True)
    made = relabel_sessions(
        directory, out, change, choice, progress=lambda one: track(one, "relabelling", console=console)
    )
    Console(soft_wrap=True).print(f"{len(made)} sessions: {escape(str(out))}", highlight=False)


def _goal(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(one) for one in text.split(","))
    except ValueError:
        raise TurnRlError(f"--goal {text}: write x,y,z in metres, such as 0.5,0,0.2") from None


def _strategy(text: str | None) -> tuple[Any, int]:
    """Name and copies of `Change.hindsight`."""
    if text is not None and text.isdecimal():
        return "future", int(text)
    if text not in (None, "final", "future"):
        raise TurnRlError(f"--hindsight {text}: write final, future, or the number of future copies of each episode")
    return text, 1
