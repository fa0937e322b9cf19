"""`turn-rl study gridworld`: the published study's curves again, ours beside them, and what each lever is worth."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def gridworld(
    seeds: Annotated[int, typer.Option(help="Runs of each point.", min=2)] = 30,
    processes: Annotated[int, typer.Option(help="Processes that share the points.", min=1)] = 2,
    levers: Annotated[bool, typer.Option(help="Measure each lever too; a few minutes more.")] = False,
    out: Annotated[Path, typer.Option(help="Where the JSON goes, and a folder with CSV, PNG and HTML.")] = Path(
        "results"
    ),
    short: Annotated[bool, typer.Option("--short", help="Seconds instead of minutes: whether it runs.")] = False,
) -> None:
    """Reward against transitions on the 20x20 grid: ours, and 10, 5, 3 and no turns as the published study has them.

    For example:

        turn-rl study gridworld

        turn-rl study gridworld --levers --processes 4

        turn-rl study gridworld --short --out /tmp/study
    """
    from turn_rl_ros.study.grid_report import study

    study(out, seeds, 1 if short else processes, short, levers, Console())
