"""`turn-rl data push` and `turn-rl data pull`: sealed sessions to and from a store that several computers share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data.sync import Outcome, keep_going
from turn_rl_ros.data.sync import Progress as Report

URL = "Folder, ssh://user@host/folder, s3://bucket/folder, or another URL that fsspec takes."
Url = Annotated[str, typer.Argument(help=URL, metavar="URL")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C; wait while the store cannot be reached.")]
Every = Annotated[float, typer.Option(help="With --watch: seconds between two looks.", min=0.1)]


def push(
    directory: Annotated[Path, typer.Argument(help="Directory with sealed sessions.", exists=True, file_okay=False)],
    url: Url,
    watch: Watch = False,
    every: Every = 5.0,
) -> None:
    """Bring sealed sessions into a store, each once, each checked against its sha256 before and after.

    A cut at any moment leaves nothing half in the store; the same command goes on from there. docs/two-hosts.md tells
    how a robot's computer and a workstation work together through a store.

    For example:

        turn-rl data push runs/arm/sessions /mnt/nas/arm

        turn-rl data push runs/arm/sessions ssh://me@workstation/srv/arm --watch
    """
    from turn_rl_ros.data import sync

    _run(lambda report: sync.push(directory, url, report), "sent", watch, every)


def pull(
    url: Url,
    directory: Annotated[Path, typer.Argument(help="Directory for the sessions; made where missing.")],
    watch: Watch = False,
    every: Every = 5.0,
) -> None:
    """Bring the sessions of a store into a directory, each once, each checked against its sha256.

    For example:

        turn-rl data pull s3://lab/arm runs/arm/sessions

        turn-rl data pull ssh://me@robot/srv/arm runs/arm/sessions --watch --every 30
    """
    from turn_rl_ros.data import sync

    _run(lambda report: sync.pull(url, directory, report), "fetched", watch, every)


def _run(work: Callable[[Report], Outcome], verb: str, watch: bool, every_s: float) -> None:
    last: list[str] = []

    def once() -> Outcome:
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(verb, total=None)
            return work(lambda done, total: bar.update(task, completed=done, total=total))

    def told(came: Outcome | TurnRlError, wait_s: float) -> None:
        """Say what is new since the last look."""
        if isinstance(came, TurnRlError):
            lines = [f"{came}; next try in {wait_s:.0f} s"]
        else:
            lines = [f"{verb} {name}" for name in came.moved] + came.refused
        _say([line for line in lines if line not in last])
        last[:] = lines

    def pause(wait_s: float) -> bool:
        time.sleep(wait_s)
        return False

    if watch:
        keep_going(once, told, pause, every_s)
    came = once()
    _say([f"{verb} {name}" for name in came.moved] + came.refused)
    _say([f"{len(came.moved)} sessions {verb}, {len(came.known)} were there, {len(came.refused)} left alone"])
    if came.refused:
        raise typer.Exit(1)


def _say(lines: list[str]) -> None:
    for line in lines:
        Console(soft_wrap=True).print(escape(line), highlight=False)
