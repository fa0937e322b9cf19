"""Robot-minutes on the arm: success over time for the tasks with a goal, and what each lever is worth."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from turn_rl_ros.report.style import BLUE, CYCLE, GREY, VERMILLION, Picture, panels

Array = NDArray[np.float64]
Interval = tuple[float, float, float]
"""Value, low, high."""


def reach_picture(
    curves: Mapping[str, tuple[Array, Array]], levers: Mapping[str, Interval], base: str, level: float
) -> Picture:
    """Two panels; either may be empty.

    Args:
        curves: name -> robot-minutes (turns,) and success (seeds, turns).
        levers: name -> interquartile mean of success with its interval.
        base: the lever that the others are to be compared with.
        level: the success that is wanted.
    """
    figure, (left, right) = panels(2, 2, (5.2, 1.2 + 0.19 * max(len(levers), 12)))
    _minutes(left, curves, level)
    _levers(right, levers, base)
    caption = (
        "Left: success of the policy trained at the end of each turn; thick: mean over the seeds, thin: each seed. "
        "Right: interquartile mean over seeds and turns with its 95 % bootstrap interval; dashed: the defaults."
    )
    return Picture("reach", "Robot-minutes on the arm", caption, figure)


def _minutes(axes: Axes, curves: Mapping[str, tuple[Array, Array]], level: float) -> None:
    axes.axhline(level, color=GREY, linestyle=":", linewidth=1.3, label=f"wanted ({level:.2f})")
    for (name, (minutes, success)), colour in zip(curves.items(), CYCLE, strict=False):
        x = np.concatenate([[0.0], minutes])
        y = np.concatenate([np.zeros((len(success), 1)), success], axis=1)
        axes.plot(x, y.T, color=colour, linewidth=0.7, alpha=0.45)
        axes.plot(x, y.mean(axis=0), color=colour, linewidth=2.2, marker="o", markersize=4, label=name)
    axes.set(xlabel="robot time spent (min)", ylabel="success on held-out goals", ylim=(-0.03, 1.05))
    axes.legend(loc="lower right")


def _levers(axes: Axes, levers: Mapping[str, Interval], base: str) -> None:
    ordered = sorted(levers.items(), key=lambda item: item[1][0])
    for place, (name, (value, low, high)) in enumerate(ordered):
        colour = VERMILLION if name == base else BLUE
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot(value, place, "o", color=colour, markersize=4)
    if base in levers:
        axes.axvline(levers[base][0], color=VERMILLION, linestyle="--", linewidth=1.0)
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set(xlabel="success, each lever alone", xlim=(-0.03, 1.05))
