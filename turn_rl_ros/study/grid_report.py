"""The GridWorld study from end to end: measure, then a table, CSV, JSON, PNG and one HTML page."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.report.page import render_page
from turn_rl_ros.report.style import Picture
from turn_rl_ros.study.grid import (
    GOALS,
    OPTIMUM,
    OURS,
    PUBLISHED,
    SIZES,
    Point,
    measure_all,
    methods,
    optimum,
    spec_of,
)
from turn_rl_ros.study.grid_levers import Lever, levers
from turn_rl_ros.study.grid_pictures import curves_picture, mean, visits_picture
from turn_rl_ros.study.stats import interval, iqm
from turn_rl_ros.study.table import Row, report, row

TARGET = "study-gridworld"
SHOWN_AT, SHORTEST = 4000, 1000
"""Budget of the visit maps, and in the short study."""


@dataclass(frozen=True)
class Line:
    """One lever over its budgets, returns as a share of the optimum."""

    group: str
    name: str
    iqm: tuple[float, float, float]
    """Interquartile mean over runs and budgets with its 95 % interval, runs resampled within each budget."""
    means: dict[int, float]
    """Budget -> mean return."""
    best: dict[int, float]
    """Budget -> return of the best run: what a figure of maxima would show."""


def study(out: Path, seeds: int, processes: int, short: bool, with_levers: bool, console: Console) -> None:
    """Measure, print and write everything into `out`. Raises TurnRlError when the disk refuses."""
    runs, spec, curves = range(2 if short else seeds), spec_of(), methods()
    sizes, shown_at = ((200, SHORTEST), SHORTEST) if short else (SIZES, SHOWN_AT)
    jobs = [(method, size) for method in (curves[:2] if short else curves) for size in sizes]
    measured = measure_all(jobs, runs, spec, processes)
    points = list(track(measured, "curves", total=len(jobs), console=console))
    points.sort(key=lambda point: ([one.name for one in curves].index(point.method.name), point.size))
    best = optimum(spec, curves[0].discount)
    wanted = [replace(lever, sizes=sizes) for lever in levers()[:2]] if short else levers() if with_levers else []
    lines = measure_levers(wanted, runs, processes, console)
    shown = next(point for point in points if point.method.name == OURS and point.size == shown_at)
    pictures = [
        curves_picture(points, best),
        visits_picture(spec, "sessions", "What each session records", "session of turn", shown.session_visits),
        visits_picture(spec, "policies", "What each turn's policy does", "policy of turn", shown.policy_visits),
    ]
    try:
        report(TARGET, goal_rows(points), out)
        write(out / TARGET, points, lines, best, pictures)
    except OSError as error:
        raise TurnRlError(f"cannot write into {out}: {error.strerror}; choose another --out") from error
    console.print(f"page: {out / TARGET / 'index.html'}", highlight=False, soft_wrap=True)


def measure_levers(wanted: Sequence[Lever], runs: range, processes: int, console: Console) -> list[Line]:
    """Every lever at its budgets, in the order asked for."""
    tasks = {tuple(lever.task.items()): spec_of(**lever.task) for lever in wanted}
    jobs = sum(len(lever.sizes) for lever in wanted)
    found: dict[tuple[str, str, int], Point] = {}

    def all_points() -> Iterable[tuple[Lever, Point]]:
        for task, spec in tasks.items():
            mine = [lever for lever in wanted if tuple(lever.task.items()) == task]
            pairs = [(lever.method, size) for lever in mine for size in lever.sizes]
            for point in measure_all(pairs, runs, spec, processes):
                yield next(one for one in mine if one.method == point.method), point

    for lever, point in track(all_points(), "levers", total=jobs, console=console):
        found[lever.group, lever.method.name, point.size] = point
    lines = []
    for lever in wanted:
        returns = {size: found[lever.group, lever.method.name, size].returns for size in lever.sizes}
        shares = np.stack(list(returns.values()), axis=1) / optimum(
            tasks[tuple(lever.task.items())], lever.method.discount
        )
        means = {size: mean(one) for size, one in returns.items()}
        best = {size: float(one.max()) for size, one in returns.items()}
        lines.append(Line(lever.group, lever.method.name, interval(shares), means, best))
    return lines


def goal_rows(points: Sequence[Point]) -> list[Row]:
    """Ours against the study's ten turns at each budget that has a goal."""
    rows = []
    for point in points:
        if point.method.name == OURS and point.size in GOALS:
            value, low, high = interval(point.returns[:, None], mean)
            published = PUBLISHED["10 turns"][point.size]
            what = f"10 turns, {point.size} transitions, {len(point.returns)} runs, 95 %: {low:.0f} to {high:.0f}"
            goal = round(GOALS[point.size] / published, 3)
            rows.append(row(what, value, "reward an episode", "the study's figure 6", published, goal))
    return rows


def write(folder: Path, points: Sequence[Point], lines: Sequence[Line], best: float, pictures: list[Picture]) -> None:
    """`curves.csv`, `levers.csv`, a PNG a figure, and `index.html` with all of it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    table = [_facts(point, best) for point in points]
    _csv(folder / "curves.csv", table)
    levers_table = [
        {"group": one.group, "lever": one.name, "iqm": one.iqm[0], "low": one.iqm[1], "high": one.iqm[2]}
        | {"budget": size, "mean": one.means[size], "best_run": one.best[size]}
        for one in lines
        for size in one.means
    ]
    if lines:
        _csv(folder / "levers.csv", levers_table)
    drawn = [(picture, picture.png()) for picture in pictures]
    for picture, png in drawn:
        (folder / f"{picture.name}.png").write_bytes(png)
    page = render_page("study_grid.html.j2", drawn, points=table, lines=lines, best=best, runs=len(points[0].returns))
    (folder / "index.html").write_text(page, encoding="utf-8")


def _facts(point: Point, best: float) -> dict[str, str | float]:
    """A line of `curves.csv`."""
    value, low, high = interval(point.returns[:, None], mean)
    name = point.method.name
    published = PUBLISHED["10 turns" if name == OURS else name].get(point.size, "")
    numbers = {"mean": value, "low": low, "high": high, "iqm": iqm(point.returns), "best_run": point.returns.max()}
    found = float((point.returns > 0).mean())
    return {
        "curve": name,
        "transitions": point.size,
        **{key: round(float(one), 2) for key, one in numbers.items()},
        "runs_with_reward": round(found, 3),
        "published": published,
        "optimum": best,
        "published_optimum": PUBLISHED[OPTIMUM].get(point.size, ""),
    }


def _csv(path: Path, table: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
