"""The figures of the GridWorld study: reward against data, and where each turn's sessions and policies go."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.report.style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, Picture, log_bar, panels
from turn_rl_ros.report.tabular import optimal_policy, random_policy, visits
from turn_rl_ros.report.visits import draw_visits
from turn_rl_ros.study.grid import OPTIMUM, OURS, PUBLISHED, Point
from turn_rl_ros.study.stats import interval

COLOURS = {OURS: BLUE, "10 turns": ORANGE, "5 turns": PURPLE, "3 turns": VERMILLION, "no turns": GREY, OPTIMUM: GREEN}


def mean(scores: NDArray[np.float64]) -> float:
    """Plain mean, the statistic of the study's figure."""
    return float(scores.mean())


def curves_picture(points: Sequence[Point], best: float) -> Picture:
    """Ours, and the study's curves as we read it, each beside the study's own."""
    figure, (ours, theirs, published) = panels(3, 3, (3.6, 3.3), sharey=True)
    for name in dict.fromkeys(point.method.name for point in points):
        _curve(ours if name == OURS else theirs, [point for point in points if point.method.name == name])
    for name, values in PUBLISHED.items():
        published.plot(list(values), list(values.values()), "o--", color=COLOURS[name], markersize=3.5, label=name)
    wanted = PUBLISHED["10 turns"]
    ours.plot(list(wanted), list(wanted.values()), "o--", color=ORANGE, markersize=3.5, label="published, 10 turns")
    for axes in (ours, theirs):
        axes.axhline(best, color=GREEN, linestyle="--", linewidth=1.2, label=f"{OPTIMUM} ({best:.0f})")
    ours.set(title="Ours", ylabel="mean reward of an episode", ylim=(-8, 1.06 * best))
    theirs.set_title("The study, as we read it")
    published.set_title("The study's own figure 6")
    for axes in (ours, theirs, published):
        axes.set_xlabel("transitions recorded")
        axes.set_xticks([0, 2000, 4000, 6000, 8000, 10000], ["0", "2k", "4k", "6k", "8k", "10k"])
    for axes in (ours, theirs):  # the right panel has the colours of the middle one
        axes.legend(loc="best", fontsize=7)
    return Picture(
        "curves",
        "Reward of an episode against transitions",
        f"Mean over {len(points[0].returns)} runs with 95 % bootstrap intervals; each point is the policy after the "
        "last turn. A budget is shared evenly between the turns. The right panel is read from the published figure.",
        figure,
    )


def visits_picture(spec: TaskSpec, name: str, title: str, of: str, turns: NDArray[np.float64]) -> Picture:
    """A panel a turn of shares (turns, rows, columns, actions), then random and optimal."""
    task = Grid(spec)
    shares = {f"{of} {turn}": share for turn, share in enumerate(turns, start=1 if of == "policy of turn" else 0)}
    shares |= {"uniformly random": visits(task, random_policy(task)), "optimal": visits(task, optimal_policy(task))}
    figure, axes = panels(len(shares), 4, (2.6, 2.6))
    scale = LogNorm(0.01, max(0.02, *(100.0 * float(share.max()) for share in shares.values())))
    for place, (label, share) in zip(axes, shares.items(), strict=True):
        drawn = draw_visits(place, task, 100.0 * share, scale)
        place.set_title(label)
        place.set(xlabel="", ylabel="")
    log_bar(figure, drawn, axes, "share of steps in %", shrink=0.6, extend="min")
    return Picture(
        name,
        title,
        "Each cell is cut in five: the side of a move, and the middle for staying. Colour is the share of steps, over "
        "all runs; never taken is blank, walls are dark. S is the start, R the cell that pays. Random and optimal are "
        "exact expectations over an episode.",
        figure,
    )


def _curve(axes: Axes, points: Sequence[Point]) -> None:
    ordered = sorted(points, key=lambda point: point.size)
    found = np.array([interval(point.returns[:, None], mean) for point in ordered])
    sizes, colour = [point.size for point in ordered], COLOURS[points[0].method.name]
    axes.plot(sizes, found[:, 0], "o-", color=colour, markersize=3.5, linewidth=1.6, label=points[0].method.name)
    axes.fill_between(sizes, found[:, 1], found[:, 2], color=colour, alpha=0.15, linewidth=0)
