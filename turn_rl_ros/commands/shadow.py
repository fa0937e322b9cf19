"""`turn-rl policy shadow`: what a policy would have done, beside what was recorded."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from turn_rl_ros.core.errors import TurnRlError


def shadow(
    source: Annotated[
        Path,
        typer.Argument(help="Directory of sessions, run directory, or a .jsonl of the shadow node.", metavar="SOURCE"),
    ],
    policy: Annotated[
        Path | None, typer.Option(help="Policy file, or a run directory for its newest; a .jsonl needs none.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots to this file.")] = None,
) -> None:
    """Compare a policy with what was recorded, decision by decision; nothing moves.

    0 is the same action, 1 the other end of its range; discrete: the share of other moves. The way home is left out.

    For example:

        turn-rl policy shadow runs/demo --policy runs/demo --html shadow.html

        turn-rl policy shadow runs/arm/shadow/2f1c0a9b4e7d-20260321T101500.jsonl
    """
    from turn_rl_ros.data.dataset import load_dataset
    from turn_rl_ros.data.shadow import compare, read_comparison
    from turn_rl_ros.report.target import find_policy, read_policy

    console = Console(soft_wrap=True)
    if source.suffix == ".jsonl":
        compared = read_comparison(source)
    elif policy is None:
        raise TurnRlError("--policy is missing: which policy is to be compared? A file, or a run directory")
    else:
        data = load_dataset(source / "sessions" if (source / "sessions").is_dir() else source)
        artifact = read_policy(find_policy(policy), data.spec)
        bar = Console(stderr=True)
        compared = compare(data, artifact, lambda rows: track(rows, "comparing", console=bar, transient=True))
    actions = Table(title=f"{escape(compared.policy)} beside {escape(str(source))}")
    for column in ("action", "mean", "90 % quantile"):
        actions.add_column(column)
    for name, (mean, high) in compared.by_action().items():
        actions.add_row(escape(name), f"{mean:.3f}", f"{high:.3f}")
    console.print(actions)
    for who, (count, mean) in compared.by_behaviour().items():
        console.print(f"{who}: {mean:.3f} over {count} decisions", highlight=False)
    if html:
        from turn_rl_ros.report.shadow import write_shadow_page

        write_shadow_page(compared, str(source), html)
        console.print(f"page: {escape(str(html))}", highlight=False)
