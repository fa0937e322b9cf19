"""`turn-rl data ...`: look after the sessions on disk."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from turn_rl_ros.commands.app import make_app
from turn_rl_ros.data import manifest
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.quality import figures, inspect
from turn_rl_ros.data.recover import recover as recover_directory

app = make_app("Recover, verify and look at recorded sessions.")
Sessions = typer.Argument(help="Directory with session files.", exists=True, file_okay=False)


@app.command()
def recover(directory: Path = Sessions) -> None:
    """Seal what a killed recorder left behind."""
    found = recover_directory(directory)
    for one in found:
        typer.echo(one.message)
    if not found:
        typer.echo("nothing to recover")


@app.command()
def verify(directory: Path = Sessions) -> None:
    """Hash every session again and name each file that is missing, changed, truncated or foreign."""
    count, problems = len(manifest.read_manifest(directory)), manifest.verify(directory)
    for line in problems:
        typer.echo(line, err=True)
    typer.echo(f"{count} sessions on the manifest, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def info(directory: Path = Sessions) -> None:
    """Show size, return and success of each session, and what is wrong with the data."""
    data = load_dataset(directory)
    table = Table(title=f"{len(data)} transitions, {data.seconds / 60:.1f} robot-minutes, task {data.spec.task}")
    for column in ("session", "turn", "rows", "epi-\nsodes", "seconds", "return", "suc-\ncess", "stopped by", "lost"):
        table.add_column(column, justify="left" if column in ("session", "stopped by") else "right", overflow="fold")
    for line in figures(data):
        numbers = (line.turn, line.rows, line.episodes, f"{line.seconds:.1f}", f"{line.mean_return:.2f}")
        name = line.name.removeprefix("session-").removesuffix(".h5").replace("-", "\n")
        table.add_row(name, *map(str, numbers), f"{line.success_rate:.2f}", line.stop_reason, str(line.dropped))
    console = Console()
    console.print(table)
    found = inspect(data)
    for one in found:
        console.print(
            f"[bold]{one.what}[/]: {one.rows} rows, {one.where}. Why it matters: {one.why}. What to do: {one.advice}."
        )
    if not found:
        console.print("No problems found.")
