"""`turn-rl data ...`: look after the sessions on disk."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from turn_rl_ros.commands.app import make_app
from turn_rl_ros.commands.exchange import export, import_
from turn_rl_ros.commands.relabel import relabel
from turn_rl_ros.commands.sync import pull, push
from turn_rl_ros.data import manifest
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.recover import recover as recover_directory

app = make_app("Recover, verify and look at recorded sessions.")
app.command("import")(import_)
app.command()(export)
app.command()(relabel)
app.command()(push)
app.command()(pull)
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
def info(
    directory: Path = Sessions,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Tell whether the data is good enough to train on: figures, findings and a score from 0 to 10.

    Each finding says where it is, why it hurts offline learning, and what to do. docs/data-quality.md explains
    the score.

    For example:

        turn-rl data info runs/demo/sessions

        turn-rl data info runs/demo/sessions --html quality.html

        turn-rl data info runs/demo/sessions --json | jq .score
    """
    from turn_rl_ros.data.quality import assess
    from turn_rl_ros.report.dataset_json import quality_json
    from turn_rl_ros.report.dataset_text import quality_text

    with Console(stderr=True).status("reading") as status:
        data = load_dataset(directory)
        quality = assess(data, status.update)
        if html:
            from turn_rl_ros.report.dataset_page import write_dataset_page

            status.update("drawing the page")
            write_dataset_page(data, quality, str(directory), html)
    if json:
        typer.echo(dumps(quality_json(data, quality), indent=2))
    else:
        Console().print(quality_text(data, quality))
    if html:
        Console(stderr=True, soft_wrap=True).print(f"page: {escape(str(html))}", highlight=False)
