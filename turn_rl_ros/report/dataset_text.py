"""The quality of a dataset on a terminal: the score with its parts, tables, and findings."""

from collections.abc import Iterator
from math import isfinite

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Finding, Quality, Severity

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
WIDTH = 20


def quality_text(data: Dataset, quality: Quality) -> RenderableType:
    """Everything, from the sessions down to the verdict, so that the verdict is the last thing read."""
    return Group(_sessions(data, quality), _policies(quality), *_findings(quality), *_skipped(quality), _score(quality))


def number(value: float, form: str = ".2f") -> str:
    """A number, or a dash for what nobody could measure."""
    return format(value, form) if isfinite(value) else "–"


def _sessions(data: Dataset, quality: Quality) -> Table:
    table = Table(
        title=f"{len(data)} transitions, {data.seconds / 60:.1f} robot-minutes, task {data.spec.task}", box=SIMPLE_HEAD
    )
    for column in ("session", "turn", "rows", "epi-\nsodes", "return", "suc-\ncess", "guard", "lost"):
        table.add_column(column, justify="left" if column == "session" else "right", no_wrap=True)
    table.add_column("stopped by", overflow="fold")
    for line in quality.sessions:
        name = line.name.removesuffix(".h5").rpartition("-")[2]  # the id alone names a session
        done = line.outcome
        table.add_row(
            escape(name), str(line.turn), str(done.rows), str(done.episodes), number(done.mean_return),
            number(done.success_rate), number(100 * done.changed, ".0f") + " %", str(line.dropped),
            escape(line.stop_reason),
        )  # fmt: skip
    return table


def _policies(quality: Quality) -> Table:
    table = Table(title="by policy", box=SIMPLE_HEAD)
    for column in ("policy", "behaviour", "rows", "episodes", "return", "success"):
        table.add_column(column, justify="left" if column in ("policy", "behaviour") else "right")
    for line in quality.policies:
        done = line.outcome
        outcome = (number(done.mean_return), number(done.success_rate))
        table.add_row(escape(line.policy), line.behaviour, str(done.rows), str(done.episodes), *outcome)
    return table


def _findings(quality: Quality) -> Iterator[Text]:
    if not quality.findings:
        yield Text("No problems found.")
    for one in quality.findings:
        yield Text.from_markup(_finding(one))


def _finding(one: Finding) -> str:
    seen = f" ({escape(one.seen)})" if one.seen else ""
    return (
        f"[{COLOURS[one.severity]}]{one.severity.name.lower()}[/] [bold]{one.what}[/]{seen}: {one.rows} rows, "
        f"{escape(one.where)}. Why it matters: {one.why}. What to do: {one.advice}."
    )


def _skipped(quality: Quality) -> Iterator[Text]:
    for why, what in quality.skipped_by_reason().items():
        yield Text(f"Not checked, as {why}: {what}.", style="dim")


def _score(quality: Quality) -> Group:
    table = Table.grid(padding=(0, 1))
    for part in quality.score.parts:
        bar = ProgressBar(total=1.0, completed=part.value, width=WIDTH)
        table.add_row(part.name, bar, f"{part.points:.1f} of {part.weight:.1f}", Text(part.because, style="dim"))
    colour = "green" if quality.score.enough else "red"
    verdict = Text.from_markup(f"[bold]{quality.score.total:.1f} of 10[/]: [{colour}]{quality.score.verdict}[/]")
    return Group(table, verdict)
