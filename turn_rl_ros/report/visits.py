"""State-action visits in GridWorld: each turn's session, uniformly random actions, and the optimal policy."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.report.run import Run
from turn_rl_ros.report.style import COUNTS, FAINT, VERMILLION, Picture, log_bar, panels
from turn_rl_ros.report.tabular import optimal_policy, random_policy, visits

# Where an action is drawn, as (column, row) offsets from the cell's centre: stay in the middle, then the four sides.
_H, _Q = 0.5, 0.2
_SHAPES = np.array(
    [
        [(-_Q, -_Q), (_Q, -_Q), (_Q, _Q), (-_Q, _Q)],
        [(-_H, -_H), (_H, -_H), (_Q, -_Q), (-_Q, -_Q)],
        [(-_H, _H), (_H, _H), (_Q, _Q), (-_Q, _Q)],
        [(-_H, -_H), (-_H, _H), (-_Q, _Q), (-_Q, -_Q)],
        [(_H, -_H), (_H, _H), (_Q, _Q), (_Q, -_Q)],
    ]
)


def session_visits(run: Run, turn: int) -> NDArray[np.float64]:
    """Share of a turn's transitions in each (row, column, action)."""
    task = Grid(run.spec)
    cells = task.cell(run.column(turn, "joint_position"))
    counts = np.zeros((*task.world.free.shape, run.spec.action.size))
    np.add.at(counts, (cells[:, 0], cells[:, 1], run.column(turn, "actions")), 1.0)
    return counts / max(1.0, counts.sum())


def visits_picture(run: Run) -> Picture | None:
    """A panel a turn, then random and optimal; None for another task or without a session."""
    turns = run.session_turns()
    if run.spec.task != "gridworld" or not turns:
        return None
    task = Grid(run.spec)
    shares = {f"session of turn {turn}": session_visits(run, turn) for turn in turns}
    shares["uniformly random"] = visits(task, random_policy(task))
    shares["optimal"] = visits(task, optimal_policy(task))
    figure, axes = panels(len(shares), 3 if len(shares) != 4 else 4, (3.1, 3.1))
    once = 100.0 / max(len(run.column(turn, "rewards")) for turn in turns)
    scale = LogNorm(once, max(2 * once, *(100.0 * float(share.max()) for share in shares.values())))
    for place, (title, share) in zip(axes, shares.items(), strict=True):
        drawn = draw_visits(place, task, 100.0 * share, scale)
        place.set_title(title)
    log_bar(figure, drawn, axes, "share of steps in %", shrink=0.6, extend="min")
    return Picture(
        "visits",
        "State-action visits",
        "Each cell is cut in five: the side of a move, and the middle for staying. Colour is the share of all steps; "
        "never taken is blank, less than one step of a session is the lightest, walls are dark. S is the start, R the "
        "cell that pays. Random and optimal are exact expectations over an episode.",
        figure,
    )


def draw_visits(axes: Axes, task: Grid, share: NDArray[np.float64], scale: LogNorm) -> PolyCollection:
    """One panel of shares (rows, columns, actions)."""
    rows, columns, actions = np.nonzero(share)
    centres = np.stack([columns, rows], axis=-1)[:, None]
    shapes, values = list(centres + _SHAPES[actions]), share[rows, columns, actions]
    drawn = PolyCollection(shapes, array=values, norm=scale, cmap=COUNTS, linewidths=0)
    axes.imshow(~task.world.free, cmap="Greys", vmin=0, vmax=1.6, alpha=np.where(task.world.free, 0.0, 1.0))
    axes.add_collection(drawn)
    height, width = task.world.free.shape
    axes.set_xticks(np.arange(width + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(height + 1) - 0.5, minor=True)
    axes.set_xticks(np.arange(0, width, 5))
    axes.set_yticks(np.arange(0, height, 5))
    axes.grid(which="major", visible=False)
    axes.grid(which="minor", color=FAINT, linewidth=0.3)
    axes.tick_params(which="both", length=0, labelsize=7)
    axes.set(xlabel="column", ylabel="row")
    for letter, (row, column) in (("S", task.world.start), ("R", task.world.reward)):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=VERMILLION, linewidth=1.2))
        axes.text(column, row - 0.6, letter, ha="center", va="bottom", fontsize=8, weight="bold", color=VERMILLION)
    return drawn
