"""Success against robot-minutes, a curve a choice of settings, every seed shown."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.report.style import CYCLE, GREY, Picture, panels

Array = NDArray[np.float64]


def minutes_picture(curves: Mapping[str, tuple[Array, Array]], level: float) -> Picture:
    """Name -> robot-minutes (turns,) and success (seeds, turns); a line at the `level` that is wanted."""
    figure, (axes,) = panels(1, 1, (5.6, 3.4))
    axes.axhline(level, color=GREY, linestyle=":", linewidth=1.3, label=f"wanted ({level:.2f})")
    for (name, (minutes, success)), colour in zip(curves.items(), CYCLE, strict=False):
        x = np.concatenate([[0.0], minutes])
        y = np.concatenate([np.zeros((len(success), 1)), success], axis=1)
        axes.plot(x, y.T, color=colour, linewidth=0.7, alpha=0.45)
        axes.plot(x, y.mean(axis=0), color=colour, linewidth=2.2, marker="o", markersize=4, label=name)
    axes.set(xlabel="robot time spent (min)", ylabel="success on held-out goals", ylim=(-0.03, 1.05))
    axes.legend(loc="lower right")
    caption = "Thick: mean over the seeds; thin: each seed. Success of the policy trained at the end of a turn."
    return Picture("reach", "Success against robot-minutes", caption, figure)
