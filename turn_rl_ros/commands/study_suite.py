"""`turn-rl study suite`: grids, arms and Gymnasium environments, all through the same turns."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def suite(
    env: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, again for another: of the suite, a scenario, or any Gymnasium id."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each task.", min=1)] = 3,
    first_seed: Annotated[int, typer.Option(help="Seed of the first of them.", min=0)] = 0,
    out: Annotated[
        Path, typer.Option(help="Where measurements, table and plot go; what is there already is not measured again.")
    ] = Path("results"),
    short: Annotated[bool, typer.Option("--short", help="Seconds instead of an hour: whether it runs.")] = False,
) -> None:
    """One table over all tasks: score after each turn, the best known, and what each success cost the arm.

    For example:

        turn-rl study suite

        turn-rl study suite --env maze --env iiwa --seeds 5

        turn-rl study suite --env Pendulum-v1

        turn-rl study suite --short --out /tmp/suite
    """
    from turn_rl_ros.study.suite_report import study

    study(env or [], range(first_seed, first_seed + (1 if short else seeds)), out, short, Console())
