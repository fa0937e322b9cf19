"""Success and return against robot-minutes, between the random policy and the best known."""

from math import sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from turn_rl_ros.report.bounds import Best
from turn_rl_ros.report.run import Run
from turn_rl_ros.report.style import BLUE, GREEN, GREY, Picture, panels


def wilson(successes: float, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), 95 % by default; honest near 0 and 1 too."""
    p, z2 = successes / trials, z * z
    middle = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z * sqrt(p * (1 - p) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def success_interval(rate: float, returns: NDArray[np.float64]) -> tuple[float, float] | None:
    """95 % interval of a success rate over episodes with these returns, (n,).

    None for fewer than two episodes, and for episodes that are all the same, as in a grid without slip: they are one
    sample, however often it was drawn.
    """
    return wilson(rate * len(returns), len(returns)) if len(returns) > 1 and np.ptp(returns) > 0 else None


def learning_picture(run: Run, best: Best | None) -> Picture:
    """Two panels; turn 0's start is random motion at minute 0, each point after it the policy that a turn trained."""
    figure, (success, returns) = panels(2, 2, (4.5, 3.1))
    _curve(success, run, "success_rate", best.success_rate if best else None)
    _curve(returns, run, "mean_return", best.mean_return if best else None)
    success.set(ylabel="success rate on held-out goals", ylim=(-0.03, 1.05), title="Success")
    returns.set(ylabel="mean return of an episode", title="Return")
    for axes in (success, returns):
        axes.set_xlabel("robot time spent (min)")
        axes.set_xlim(-0.02 * run.minutes[-1], 1.03 * run.minutes[-1])
    reference = f" Best known: {best.what}." if best else ""
    return Picture(
        "learning",
        "Success and return against robot time",
        "Each point is the deterministic policy trained at the end of a turn, on goals that no session used. Bars are "
        f"95 % intervals over the goals (Wilson's for success, 1.96 standard errors for return).{reference}",
        figure,
    )


def _curve(axes: Axes, run: Run, name: str, best: float | None) -> None:
    points = [(0.0, 0)] if 0 in run.evaluations else []
    scores = {turn.turn + 1: getattr(turn, name) for turn in run.turns if getattr(turn, name) is not None}
    points += [(m, t.turn + 1) for m, t in zip(run.minutes.tolist(), run.turns, strict=True) if t.turn + 1 in scores]
    if 0 in run.evaluations:
        scores[0] = getattr(run.evaluations[0], name)
        axes.axhline(scores[0], color=GREY, linestyle=":", linewidth=1.3, label=f"random policy ({scores[0]:.2f})")
    if best is not None:
        axes.axhline(best, color=GREEN, linestyle="--", linewidth=1.3, label=f"best known ({best:.2f})")
    if points:
        x, y = [m for m, _ in points], [scores[k] for _, k in points]
        low, high = zip(*(_interval(run, k, name, scores[k]) for _, k in points), strict=True)
        error = np.abs(np.array([np.subtract(y, low), np.subtract(high, y)]))
        style: Any = {"marker": "o", "markersize": 4.5, "linewidth": 1.6, "elinewidth": 1.0, "capsize": 2}
        axes.errorbar(x, y, error, color=BLUE, label="learnt in turns", **style)
    axes.legend(loc="best")


def _interval(run: Run, policy: int, name: str, value: float) -> tuple[float, float]:
    """The interval of a score over the goals, or the score itself where the single goals are not known."""
    evaluation = run.evaluations.get(policy)
    if evaluation is None or len(evaluation.returns) < 2:
        return value, value
    if name == "success_rate":
        return success_interval(value, evaluation.returns) or (value, value)
    half = 1.96 * float(evaluation.returns.std(ddof=1)) / sqrt(len(evaluation.returns))
    return value - half, value + half
