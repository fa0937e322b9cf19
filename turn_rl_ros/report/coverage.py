"""Where the end effector has been in each session."""

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from turn_rl_ros.core.task import make_task
from turn_rl_ros.report.run import Run
from turn_rl_ros.report.style import COUNTS, VERMILLION, Picture, log_bar, panels

PLANES = (("x", "y", 0, 1), ("x", "z", 0, 2))
CELL_M = 0.04
"""Width of a hexagon, metres; about the success radius."""


def coverage_picture(run: Run) -> Picture | None:
    """Two rows (from above, from the side), one column a turn; None without a session."""
    turns = run.session_turns()
    if not turns:
        return None
    task = make_task(run.spec)
    tips = {turn: task.achieved_goal(run.column(turn, "next_joint_position")) for turn in turns}
    everything = np.concatenate(list(tips.values()))
    goal_low, goal_high = np.array(run.spec.details["goal_low"]), np.array(run.spec.details["goal_high"])
    low = np.minimum(np.quantile(everything, 0.002, axis=0), goal_low) - CELL_M
    high = np.maximum(np.quantile(everything, 0.998, axis=0), goal_high) + CELL_M
    span, width = high - low, min(2.0, 8.0 / len(turns))
    heights = [span[1] / span[0], span[2] / span[0]]
    # Labels and colour bar take about 1.3 inches across and 0.8 down; the rest is for panels of equal aspect.
    size = (width + 1.3 / len(turns), (width * sum(heights) + 0.8) / 2)
    figure, axes = panels(2 * len(turns), len(turns), size, sharex=True, sharey="row", height_ratios=heights)
    drawn: list[Any] = []
    for row, (_, across, i, j) in enumerate(PLANES):
        cells = (max(1, round((high[i] - low[i]) / CELL_M)), max(1, round((high[j] - low[j]) / CELL_M / np.sqrt(3))))
        for column, turn in enumerate(turns):
            place = axes[row * len(turns) + column]
            extent = (low[i], high[i], low[j], high[j])
            across_x, across_y = tips[turn][:, (i, j)].T
            drawn.append(
                place.hexbin(across_x, across_y, gridsize=cells, extent=extent, mincnt=1, cmap=COUNTS, linewidths=0.1)
            )
            corner, box = (goal_low[i], goal_low[j]), (goal_high - goal_low)[[i, j]]
            place.add_patch(Rectangle(corner, *box, fill=False, edgecolor=VERMILLION, linewidth=1.4))
            place.set(xlim=(low[i], high[i]), ylim=(low[j], high[j]), aspect="equal")
            if row == 0:
                place.set_title(f"turn {turn}")
            else:
                place.set_xlabel("x (m)")
            if column == 0:
                place.set_ylabel(f"{across} (m)")
    scale = LogNorm(1, max(2, *(float(one.get_array().max()) for one in drawn)))
    for one in drawn:
        one.set_norm(scale)
    log_bar(figure, drawn[0], axes, "visits", shrink=0.8)
    return Picture(
        "coverage",
        "Where the end effector has been",
        "Visits of the end effector in each turn's session, seen from above (x, y) and from the side (x, z); hexagons "
        f"are {CELL_M * 100:.0f} cm wide, all on one colour scale. The box is where goals are drawn from.",
        figure,
    )
