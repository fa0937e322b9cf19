"""`turn-rl demo`: a simulated run in this process, with progress bars and a table at the end."""

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.scenario import choose_env
from turn_rl_ros.core.turns import read_summary
from turn_rl_ros.nodes.compose import NAMESPACE, Composition, prepare

DEFAULT_RUN = Path("runs/demo")


@dataclass(frozen=True)
class DemoOptions:
    """What a user may say; None leaves the scenario file's value."""

    env: str = "panda"
    turns: int | None = None
    window_s: float | None = None
    seed: int | None = None
    run_dir: Path = DEFAULT_RUN
    params_file: Path | None = None


def run_demo(options: DemoOptions, console: Console) -> bool:
    """Run or resume the turns; True when all are walked, False when the user stopped it.

    Raises:
        TurnRlError: the run cannot start or go on; what is recorded stays and the run resumes.
    """
    env, warning = choose_env(options.env)
    if warning:
        console.print(f"[yellow]warning:[/] {warning}")
    if options.run_dir == DEFAULT_RUN:
        set_aside(options.run_dir, env, console)
    params_file = prepare(env, options.run_dir.resolve(), options.params_file, overrides_of(env, options))
    composition = Composition(params_file)
    domain = os.environ["ROS_DOMAIN_ID"]
    console.print(
        f"run directory {options.run_dir}; to watch the topics: ROS_DOMAIN_ID={domain}, namespace /{NAMESPACE}"
    )
    try:
        with Bars(console) as bars:
            finished = composition.run(bars.look)
    finally:
        composition.close()
    if composition.director.fault:
        raise TurnRlError(composition.director.fault)
    if not finished:
        console.print(f"stopped; everything recorded is sealed. The same command resumes {options.run_dir}")
    return finished


def set_aside(run_dir: Path, env: str, console: Console) -> None:
    """Make way where `run_dir` holds a run of another environment: it gets a name of its own, nothing is lost."""
    other = read_summary(run_dir / "summary.json").get("env")
    if other in (None, env):
        return
    names = (run_dir.with_name(f"{run_dir.name}-{other}-{number}") for number in count(1))
    kept = next(name for name in names if not name.exists())
    run_dir.rename(kept)
    console.print(f"{run_dir} was a run of {other}; it is now {kept}")


def overrides_of(env: str, options: DemoOptions) -> dict[str, dict[str, Any]]:
    """The options as parameters of the nodes they belong to."""
    director = {"env": env, "turns": options.turns, "window_s": options.window_s}
    seeds = {} if options.seed is None else {"seed": options.seed}
    return {
        "director": {key: value for key, value in director.items() if value is not None},
        "executor": seeds,
        "trainer": seeds,
        "arm": seeds,
    }


class Bars:
    """Window left, training steps and scored goals, as the nodes report them."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._bar: TaskID | None = None
        self._kind = ""
        self._said = ""

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def look(self, composition: Composition) -> None:
        """Show what the composition is at."""
        said = composition.director.said
        if said != self._said:
            self._said = said
            self._progress.console.print(said)
        activity = composition.activity()
        if activity is None:
            self._drop()
            return
        if activity.kind != self._kind or self._bar is None:
            self._drop()
            self._bar = self._progress.add_task(activity.kind, total=activity.total, note="")
            self._kind = activity.kind
        self._progress.update(self._bar, completed=activity.done, total=activity.total, note=activity.note)

    def _drop(self) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar, self._kind = None, ""


def table_of(summary: dict[str, Any]) -> Table:
    """The turns of a run, as they stand in summary.json."""
    table = Table(title=f"{summary.get('env', '?')}: success on held-out goals")
    for column in ("turn", "robot time", "transitions", "success", "mean return", "training", "wall"):
        table.add_column(column, justify="right")
    random = summary.get("random") or {}
    table.add_row("random", "0:00", "0", _rate(random.get("success_rate")), _number(random.get("mean_return")), "", "")
    robot_s = 0.0
    for entry in summary.get("turns", []):
        robot_s += entry["robot_seconds"]
        table.add_row(
            str(entry["turn"]),
            f"{int(robot_s) // 60}:{int(robot_s) % 60:02d}",
            str(entry["transitions"]),
            _rate(entry["success_rate"]),
            _number(entry["mean_return"]),
            f"{entry['train_seconds']:.0f} s",
            f"{entry['wall_seconds']:.0f} s",
        )
    return table


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
