"""`turn-rl study ...`: what a choice is worth in robot-minutes, in process and without ROS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from turn_rl_ros.commands.app import make_app
from turn_rl_ros.commands.study_grid import gridworld
from turn_rl_ros.commands.study_suite import suite

app = make_app("Measure learning per minute of robot time, in process.")
app.command()(gridworld)
app.command()(suite)


@app.command()
def reach(
    lever: Annotated[
        list[str] | None, typer.Option(help="Only this lever, again for another; `--lever help` lists them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each lever.", min=1)] = 5,
    first_seed: Annotated[int, typer.Option(help="Seed of the first of them.", min=0)] = 0,
    out: Annotated[
        Path, typer.Option(help="Where measurements, table and plot go; what is there already is not measured again.")
    ] = Path("results"),
    short: Annotated[bool, typer.Option("--short", help="Seconds instead of hours: whether it runs.")] = False,
) -> None:
    """Compare the scenario's settings with one lever changed at a time, on the Panda, turn by turn.

    For example:

        turn-rl study reach --lever defaults --seeds 5

        turn-rl study reach --short
    """
    from turn_rl_ros.study.reach import LEVERS, study

    if lever == ["help"]:
        for name, changes in LEVERS.items():
            typer.echo(f"{name}: {', '.join(f'{key}={value}' for key, value in changes.items()) or 'the scenario'}")
        return
    study(lever or list(LEVERS), range(first_seed, first_seed + seeds), out, short, Console())
