"""`turn-rl data import` and `turn-rl data export`: other people's formats."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from turn_rl_ros.data.dataset import load_dataset

KINDS = "d4rl, minari, robomimic, lerobot or d3rlpy"


def import_(
    path: Annotated[Path, typer.Argument(help="A file, or the folder of a Minari or LeRobot dataset.", exists=True)],
    out: Annotated[Path, typer.Option(help="Directory for the session; made where missing.")],
    kind: Annotated[str, typer.Option("--from", help=f"{KINDS}; found out when not given.", metavar="FORMAT")] = "",
    robot: Annotated[str, typer.Option(help="What the data came from, if the file does not say.")] = "",
    rate: Annotated[float | None, typer.Option(help="Control rate in Hz, if the file does not say.")] = None,
    action_low: Annotated[float | None, typer.Option(help="Smallest value of every element of an action.")] = None,
    action_high: Annotated[float | None, typer.Option(help="Largest value of every element of an action.")] = None,
) -> None:
    """Read a dataset of another format and seal it as a session that can be looked at and trained on.

    The data has no robot behind it, so its policies cannot run on one, and goals cannot be relabelled. What had to be
    assumed is printed, and kept in the session as `derived_from`. Importing into a directory that has imported sessions
    already makes one dataset of them. docs/exchange.md says what each format keeps and loses.

    For example:

        turn-rl data import halfcheetah_medium-v2.hdf5 --out runs/halfcheetah --action-low -1 --action-high 1

        turn-rl data import ~/.minari/datasets/D4RL/door/human-v2 --out runs/door --rate 40

        turn-rl data import low_dim.hdf5 --from robomimic --out runs/lift
    """
    from turn_rl_ros.data.exchange.describe import Said
    from turn_rl_ros.data.exchange.imports import import_file

    with Console(stderr=True).status("reading"):
        said = Said(robot=robot, rate_hz=rate, action_low=action_low, action_high=action_high)
        made = import_file(path, out, kind, said)
    ends = f"episodes: {made.terminal} terminal, {made.episodes - made.terminal} timed out"
    _say(f"{made.kind}: {made.rows} transitions, {ends}: {made.path}")
    for note in made.notes:
        _say(f"  {note}")


def export(
    directory: Annotated[Path, typer.Argument(help="Directory with session files.", exists=True, file_okay=False)],
    to: Annotated[str, typer.Option(help=f"{KINDS}.", metavar="FORMAT")],
    out: Annotated[Path, typer.Option(help="The new file, or folder for Minari and LeRobot.")],
) -> None:
    """Write all sessions of a directory as one dataset of another format; the sessions stay as they are.

    The other side's library opens it: docs/exchange.md shows how, and what each format keeps and loses.

    For example:

        turn-rl data export runs/demo/sessions --to d4rl --out reach.hdf5

        turn-rl data export runs/demo/sessions --to minari --out ~/.minari/datasets/panda/reach-v0

        turn-rl data export runs/demo/sessions --to lerobot --out reach_lerobot
    """
    from turn_rl_ros.data.exchange.exports import export as write

    with Console(stderr=True).status("reading") as status:
        data = load_dataset(directory)
        status.update("writing")
        made = write(data, to, out)
    _say(f"{to}: {len(made)} transitions, {len(made.stops)} episodes: {out}")
    for note in made.notes:
        _say(f"  {note}")


def _say(line: str) -> None:
    Console(soft_wrap=True).print(escape(line), highlight=False)
