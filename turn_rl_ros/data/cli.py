"""`turn-rl data ...`: look after the sessions on disk."""

from pathlib import Path

import typer

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data import manifest
from turn_rl_ros.data.recover import recover as recover_directory

app = typer.Typer(no_args_is_help=True, help="Recover, verify and look at recorded sessions.")
Sessions = typer.Argument(help="Directory with session files.", exists=True, file_okay=False)


@app.command()
def recover(directory: Path = Sessions) -> None:
    """Seal what a killed recorder left behind."""
    try:
        found = recover_directory(directory)
    except TurnRlError as error:
        raise _stop(error) from None
    for one in found:
        typer.echo(one.message)
    if not found:
        typer.echo("nothing to recover")


@app.command()
def verify(directory: Path = Sessions) -> None:
    """Hash every session again and name each file that is missing, changed, truncated or foreign."""
    try:
        count, problems = len(manifest.read_manifest(directory)), manifest.verify(directory)
    except TurnRlError as error:
        raise _stop(error) from None
    for line in problems:
        typer.echo(line, err=True)
    typer.echo(f"{count} sessions on the manifest, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


def _stop(error: TurnRlError) -> typer.Exit:
    typer.echo(f"turn-rl data: {error}", err=True)
    return typer.Exit(1)
