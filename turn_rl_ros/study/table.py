"""The one form in which every benchmark and study reports: a table, and `<target>.json` with ratios."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measurement beside its reference, both taken in the same run; `ratio` is better when higher."""

    what: str
    value: float | None
    unit: str
    against: str
    reference: float | None
    ratio: float | None
    goal: float | None
    met: bool


def row(
    what: str, value: float, unit: str, against: str, reference: float, goal: float, *, less_is_better: bool = False
) -> Row:
    """A row whose ratio is value over reference, or the inverse where less is better."""
    ratio = reference / value if less_is_better else value / reference
    return Row(what, round(value, 3), unit, against, round(reference, 3), round(ratio, 3), goal, ratio >= goal)


def report(target: str, rows: Sequence[Row], folder: Path = Path("results")) -> None:
    """Print the table and write `<target>.json` into `folder`. Raises OSError."""
    table = Table(title=target)
    for column in ("what", "value", "unit", "against", "reference", "ratio", "goal", "met"):
        table.add_column(column, justify="left" if column in ("what", "unit", "against") else "right")
    for one in rows:
        table.add_row(
            *(
                "-" if v is None else ("yes" if v else "NO") if isinstance(v, bool) else str(v)
                for v in asdict(one).values()
            )
        )
    Console(width=160).print(table)
    path = folder / f"{target}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    path.write_text(json.dumps({"target": target, "machine": machine, "rows": [asdict(one) for one in rows]}, indent=2))
