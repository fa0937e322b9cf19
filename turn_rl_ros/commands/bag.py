"""`turn-rl bag ...`: recordings that somebody made with `ros2 bag record`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from turn_rl_ros.commands.app import make_app
from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.scenario import SCENARIOS, scenario_file
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec

if TYPE_CHECKING:
    from turn_rl_ros.data.bags.inspect import TopicFacts
    from turn_rl_ros.data.bags.reader import Bag, Message

app = make_app("Look into rosbag2 recordings, and import them as sessions; no ROS is needed.")
BagPath = Annotated[Path, typer.Argument(help="Folder of a bag, or one .db3 or .mcap file.", metavar="BAG")]
SHOWN_EVERY = 500
"""Messages between two updates of the progress line."""


@app.command()
def info(
    bag: BagPath,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Tell what is in a bag: topics, rates, gaps, stamps, joint names, and what is wrong with them.

    For example:

        turn-rl bag info rosbag2_2026_03_21

        turn-rl bag info recording.mcap --json | jq '.topics[].findings'
    """
    _require_rosbags()
    from turn_rl_ros.data.bags.draft import draft
    from turn_rl_ros.data.bags.errors import BagError
    from turn_rl_ros.data.bags.inspect import USEFUL

    opened, found = _look(bag)
    try:
        mapping, why = draft(found)
    except BagError as error:
        mapping, why = None, str(error)
    if json:
        drafted = asdict(mapping) if mapping else None
        typer.echo(dumps({"topics": [asdict(one) for one in found], "notes": opened.notes, "mapping": drafted}))
        return
    useful = [one for one in found if one.kind in USEFUL]
    if useful:
        Console().print(_table(bag, useful))
    others = ", ".join(f"{one.name} ({one.kind})" for one in found if one.kind not in USEFUL)
    if others:
        _say(f"left alone: {others}")
    for one in useful:
        for finding in one.findings:
            _say(f"{one.name}: {finding}")
    for line in (*opened.notes, *why.splitlines()):
        _say(line)
    if mapping:
        _say(f"`turn-rl bag mapping {bag}` writes this as a mapping to correct")


@app.command()
def mapping(
    bag: BagPath,
    out: Annotated[Path | None, typer.Option(help="The new file; printed when not given.")] = None,
) -> None:
    """Draft the mapping that `import` needs: which topic is the state, the command, the goal. Correct it by hand.

    For example:

        turn-rl bag mapping rosbag2_2026_03_21 --out mapping.yaml
    """
    _require_rosbags()
    from turn_rl_ros.data.bags.draft import draft
    from turn_rl_ros.data.bags.mapping import mapping_text

    text = mapping_text(*draft(_look(bag)[1]))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise TurnRlError(f"cannot write {out}: {error.strerror}") from error
    _say(f"mapping: {out}")


@app.command("import")
def import_(
    bags: Annotated[list[Path], typer.Argument(help="Folders of bags, or .db3 or .mcap files.", metavar="BAG...")],
    mapping: Annotated[Path, typer.Option(help="Mapping file; `turn-rl bag mapping` drafts one.")],
    out: Annotated[Path, typer.Option(help="The new directory for the sessions.")],
    task: Annotated[
        str, typer.Option(help=f"Whose task the rows are: a ROS parameter file, or {', '.join(SCENARIOS)}.")
    ] = "panda",
) -> None:
    """Turn bags into sealed sessions, by the same pairing of states and commands as in a live session.

    What is wrong in a bag is left out or cut, and named with its topic and first message. A bag of which no
    transition can be made is refused, and nothing is written. docs/bags.md explains the mapping.

    For example:

        turn-rl bag import rosbag2_2026_03_21 --mapping mapping.yaml --task arm.yaml --out runs/arm/sessions

        turn-rl bag import monday tuesday.mcap --mapping mapping.yaml --task panda --out runs/week/sessions
    """
    _require_rosbags()
    from turn_rl_ros.data.bags.convert import import_bags
    from turn_rl_ros.data.bags.mapping import read_mapping

    rules = read_mapping(mapping)
    spec = task_spec(task, rules.rate_hz)
    with _progress() as show:
        made = import_bags(bags, out, spec, rules, show)
    for one in made:
        seconds = one.rows * spec.period_s
        _say(
            f"{one.bag}: {one.rows} transitions ({seconds:.1f} s) in {one.episodes} episodes, {len(one.sessions)} files"
        )
        for note in one.notes:
            _say(f"  {note}")
    _say(f"sessions: {out}; `turn-rl data info {out}` tells whether they are good enough to train on")


def task_spec(task: str, rate_hz: float) -> TaskSpec:
    """The task of a parameter file or an environment, at another control rate unless that is 0. Raises ConfigError."""
    path = scenario_file(task) if task in SCENARIOS else Path(task)
    values = scenario_section(path, "collector", "task")
    return make_spec({**values, "rate_hz": rate_hz} if rate_hz else values, str(path))


def _look(path: Path) -> "tuple[Bag, list[TopicFacts]]":
    from turn_rl_ros.data.bags.inspect import inspect
    from turn_rl_ros.data.bags.reader import Bag

    bag = Bag(path)
    with _progress() as show:
        return bag, inspect(bag, show)


@contextmanager
def _progress() -> "Iterator[Callable[[Iterable[Message]], Iterable[Message]]]":
    """A line that says how many messages were read, and how much recorded time they cover."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("reading", total=None)

        def show(messages: "Iterable[Message]") -> "Iterator[Message]":
            first_ns = 0
            for number, message in enumerate(messages):
                first_ns = first_ns or message.receive_ns
                if number % SHOWN_EVERY == 0:
                    covered_s = (message.receive_ns - first_ns) / 1e9
                    bar.update(line, description=f"{number:,} messages, {covered_s:.0f} s of the recording")
                yield message

        yield show


def _table(bag: Path, found: "list[TopicFacts]") -> Table:
    table = Table(title=str(bag))
    for column in ("topic", "type", "messages", "rate", "longest gap", "header", "joints"):
        table.add_column(
            column,
            justify="right" if column in ("messages", "rate", "longest gap") else "left",
            overflow="fold",
            no_wrap=column in ("rate", "longest gap", "header"),
        )
    for one in found:
        timed = one.rate_hz == one.rate_hz
        table.add_row(
            escape(one.name),
            escape(one.kind.rsplit("/")[-1]),
            str(one.messages),
            f"{one.rate_hz:.1f} Hz" if timed else "",
            f"{one.longest_gap_s:.2f} s" if timed else "",
            _header(one),
            escape(", ".join(one.joints)) or (f"{one.values} values" if one.values else ""),
        )
    return table


def _header(one: "TopicFacts") -> str:
    if not one.has_header or not one.messages:
        return ""
    return "zero" if one.zero_stamps == one.messages else f"{one.header_behind_s * 1e3:+.1f} ms"


def _require_rosbags() -> None:
    try:
        import rosbags  # noqa: F401
    except ImportError as error:
        raise TurnRlError("bags are read with rosbags: pip install 'turn_rl_ros[bags]'") from error


def _say(line: str) -> None:
    Console(soft_wrap=True).print(escape(line), highlight=False)
