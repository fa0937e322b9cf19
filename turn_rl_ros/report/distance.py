"""Distance to the goal over an episode, for each policy."""

import numpy as np

from turn_rl_ros.core.task.grid import CELL_M
from turn_rl_ros.report.run import Run
from turn_rl_ros.report.style import BLUE, GREEN, GREY, Picture, panels


def distance_picture(run: Run) -> Picture | None:
    """A panel a policy: median and quartiles over the held-out goals; None when nothing was evaluated."""
    policies = sorted(k for k, e in run.evaluations.items() if e.distances.ndim == 2 and e.distances.size)
    if not policies:
        return None
    grid = run.spec.task == "gridworld"
    unit, scale = ("cells", 1 / CELL_M) if grid else ("cm", 100.0)
    figure, axes = panels(len(policies), 4, (2.35, 2.1), sharex=True, sharey=True)
    random = run.evaluations.get(0)
    for place, policy in zip(axes, policies, strict=True):
        curves = run.evaluations[policy].distances * scale
        seconds = np.arange(curves.shape[1]) * run.spec.period_s
        low, middle, high = np.nanquantile(curves, (0.25, 0.5, 0.75), axis=0)
        if policy and random is not None and random.distances.shape[1] == curves.shape[1]:
            place.plot(
                seconds, np.nanmedian(random.distances, axis=0) * scale, color=GREY, linestyle=":", linewidth=1.2
            )
        place.fill_between(seconds, low, high, color=BLUE, alpha=0.22, linewidth=0)
        place.plot(seconds, middle, color=BLUE, linewidth=1.6)
        if not grid:
            place.axhline(run.spec.details["success_radius_m"] * scale, color=GREEN, linestyle="--", linewidth=1.0)
        place.set_title("random policy" if policy == 0 else f"after turn {policy - 1}")
        place.set_ylim(bottom=0)
    figure.supxlabel("time in the episode (s)", fontsize=9)
    figure.supylabel(f"distance to the goal ({unit})", fontsize=9)
    line = "" if grid else " The dashed line is the success radius: an episode that ends below it counts."
    return Picture(
        "distance",
        "Distance to the goal",
        f"Median (line) and quartiles (band) over the held-out goals; dotted: the random policy's median.{line}",
        figure,
    )
