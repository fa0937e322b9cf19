"""The wider suite from end to end: measure, then one table turn by turn, JSON and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.report.bounds import best_known
from turn_rl_ros.report.style import BLUE, GREEN, Picture, panels
from turn_rl_ros.study.measure import Line, measure
from turn_rl_ros.study.plan import Plan
from turn_rl_ros.study.stats import interval
from turn_rl_ros.study.suite import Problem, choose, plans
from turn_rl_ros.study.table import Row, report, row

TARGET = "study-suite"
WEAR = {"travel": "joint travel", "reversals": "reversals"}
"""What of a session's wear is told for each success."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """What a task of the suite came to, over its seeds."""

    name: str
    problem: Problem
    minutes: Array
    """(turns,) of robot time until each training."""
    transitions: Array
    """(turns,) recorded until then, mean over the seeds."""
    scores: Array
    """(seeds, turns), in the task's own unit."""
    best: float | None
    """The best known score."""
    against: str
    """Where that comes from."""
    wear: dict[str, float | None]
    """`travel` and `reversals` for each success over all sessions, None without one, and the `peak_acceleration`;
    empty where nothing moves."""
    unit: str
    """Of travel."""

    def last(self) -> tuple[float, float, float]:
        """Mean score after the last turn with its 95 % interval over the seeds."""
        return interval(self.scores[:, -1:], lambda scores: float(scores.mean()))


def study(names: Sequence[str], seeds: Sequence[int], out: Path, short: bool, console: Console) -> None:
    """Measure what `out` does not hold yet, then print and write everything.

    Raises:
        TurnRlError: no such task, no simulator, or the disk refuses.
    """
    problems = choose(names)
    chosen, target = plans(problems, short), f"{TARGET}-short" if short else TARGET
    lines = measure(chosen, seeds, out / f"{target}.jsonl", console)
    results = [result(name, problems[name], plan, lines) for name, plan in chosen.items()]
    Console(file=console.file, width=160).print(table(results))
    try:
        report(target, rows(results), out)
        replace_file(out / f"{target}.png", picture(results).png())
    except OSError as error:
        raise TurnRlError(f"cannot write into {out}: {error.strerror}; choose another --out") from error


def result(name: str, problem: Problem, plan: Plan, lines: Sequence[Line]) -> Result:
    """The lines of one task together, beside the best known on the same held-out goals."""
    runs = [line["outcomes"] for line in lines if line["case"] == name]
    best, _ = best_known(plan.spec, plan.turns.evaluate_goals, plan.turns.evaluate_seed)
    known = None
    if best is not None:
        known = best.success_rate if problem.measure == "success" else best.mean_return / problem.scale
    return Result(
        name,
        problem,
        np.array([one["robot_minutes"] for one in runs[0]]),
        np.array([[one["transitions"] for one in run] for run in runs]).mean(axis=0),
        np.array([[one[problem.measure] / problem.scale for one in run] for run in runs]),
        known,
        best.what if best is not None else "",
        wear_of(runs) if plan.spec.joint_names else {},
        plan.spec.joint_units[0] if plan.spec.joint_units else "",
    )


def wear_of(runs: Sequence[Sequence[Line]]) -> dict[str, float | None]:
    """Travel and reversals for each success over all sessions of all runs, and the largest acceleration."""
    worn = [one["wear"] for run in runs for one in run]
    successes = sum(one["successes"] for one in worn)
    shares = {what: sum(one[what] for one in worn) / successes if successes else None for what in WEAR}
    return shares | {"peak_acceleration": max(one["peak_acceleration"] for one in worn)}


def rows(results: Sequence[Result]) -> list[Row]:
    """A row for each task's score after its last turn, and one for each kind of wear."""
    found = []
    for one in results:
        value, low, high = one.last()
        what = (
            f"{one.name}: {one.problem.measure.replace('_', ' ')} after {one.minutes[-1]:.2g} robot-minutes, "
            f"mean of {len(one.scores)} seeds (95 %: {low:.4g} to {high:.4g})"
        )
        if not one.best:
            against = one.against or "no reference is known"
            found.append(Row(what, round(value, 3), "", against, one.best, None, None, True))
        else:
            found.append(row(what, value, "", one.against, one.best, one.problem.goal))
        for name, said in WEAR.items() if one.wear else ():
            share, unit = one.wear[name], one.unit if name == "travel" else ""
            worn = f"{one.name}: {said} for each success in a session"
            if share is None:
                found.append(Row(f"{worn}: there was no success", None, unit, "", None, None, None, False))
            else:
                found.append(Row(worn, round(share, 3), unit, "", None, None, None, True))
        if one.wear.get("peak_acceleration"):
            peak = one.wear["peak_acceleration"]
            found.append(Row(f"{one.name}: peak acceleration", peak, f"{one.unit}/s^2", "", None, None, None, True))
    return found


def table(results: Sequence[Result]) -> Table:
    """Turn by turn: the mean score over the seeds."""
    shown = Table(title=TARGET)
    for column in ("task", "min a turn", "transitions a turn", "seeds", "after each turn", "95 % of the last",
                   "best known", "travel a success", "reversals a success", "peak acceleration"):  # fmt: skip
        shown.add_column(column, justify="left" if column in ("task", "after each turn") else "right")
    for one in results:
        _, low, high = one.last()
        shown.add_row(
            f"{one.name}: {one.problem.what}",
            f"{one.minutes[0]:.3g}",
            f"{one.transitions[0]:.0f}",
            str(len(one.scores)),
            " ".join(f"{score:.3g}" for score in one.scores.mean(axis=0)),
            f"{low:.3g} to {high:.3g}",
            _said(one.best),
            *(_said(one.wear.get(name)) for name in (*WEAR, "peak_acceleration")),
        )
    return shown


def picture(results: Sequence[Result]) -> Picture:
    """A panel a task: every seed, their mean, and the best known."""
    figure, axes = panels(len(results), 4, (2.6, 2.3))
    for place, one in zip(axes, results, strict=True):
        place.plot(one.minutes, one.scores.T, color=BLUE, linewidth=0.7, alpha=0.5)
        place.plot(one.minutes, one.scores.mean(axis=0), "o-", color=BLUE, markersize=3.5)
        if one.best is not None:
            place.axhline(one.best, color=GREEN, linestyle="--", linewidth=1.2)
        if one.problem.measure == "success":
            place.set_ylim(-0.05, 1.05)
        place.set(title=one.name, ylabel=one.problem.measure.replace("_", " "), xlabel="robot-minutes")
        place.set_xlim(left=0.0)
    return Picture(
        "suite",
        "Learning on each task of the suite",
        "Thin: each seed; thick: their mean; dashed: the best known.",
        figure,
    )


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
