"""Pictures of what a dataset covers: visits of the dimensions that matter, and distances to the nearest neighbour."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Quality
from turn_rl_ros.data.quality.coverage import SUPPORTED, Cells
from turn_rl_ros.report.style import BLUE, COUNTS, VERMILLION, Picture, log_bar, panels


def cells_picture(data: Dataset, quality: Quality) -> Picture | None:
    """Visits of each small space that coverage looks at, over its first axis and each other; None without a row."""
    if quality.coverage is None:
        return None
    spaces = [cells for cells in quality.coverage.cells if cells.name != "cells and moves"]
    views = [(cells, axis) for cells in spaces for axis in range(1, max(2, len(cells.axes)))]
    tables = [_visits(cells, axis) for cells, axis in views]
    scale = LogNorm(1, max(2.0, *(float(table.max()) for table in tables)))
    figure, places = panels(len(views), 4, (2.7, 2.7))
    for place, (cells, axis), table in zip(places, views, tables, strict=True):
        across, up = cells.lines(0), cells.lines(axis) if len(cells.axes) > 1 else np.array([0.0, 1.0])
        drawn = place.pcolormesh(across, up, np.ma.masked_equal(table.T, 0), cmap=COUNTS, norm=scale)
        _label(place, cells, axis)
    log_bar(figure, drawn, places, "rows", shrink=0.8)
    shares = "; ".join(
        f"{cells.name}: {cells.occupied} of {cells.reference} {cells.against}" for cells in quality.coverage.cells
    )
    caption = f"Rows in each cell, blank where there is none; the grid is that of the count. Occupied: {shares}."
    return Picture("cells", "What the data covers", caption, figure)


def _visits(cells: Cells, axis: int) -> NDArray[np.float64]:
    """Rows by the first axis and another one, of those within bounds; a space with one axis has one column."""
    inside = cells.points[((cells.points >= cells.low) & (cells.points <= cells.high)).all(axis=1)]
    if len(cells.axes) == 1:
        return np.histogram(inside[:, 0], cells.lines(0))[0][:, None].astype(np.float64)
    return np.histogram2d(inside[:, 0], inside[:, axis], [cells.lines(0), cells.lines(axis)])[0]


def _label(place: Axes, cells: Cells, axis: int) -> None:
    place.set(xlabel=cells.axes[0], ylabel=cells.axes[axis] if len(cells.axes) > 1 else "", title=cells.name)
    place.grid(visible=False)
    if cells.axes[-1] == "row":  # as a world file is read
        place.invert_yaxis()


def support_picture(data: Dataset, quality: Quality) -> Picture | None:
    """How far a state-action pair is from the nearest of another episode; None where there is no other."""
    if quality.coverage is None or not np.isfinite(quality.coverage.distances).all():
        return None
    distances = quality.coverage.distances
    figure, (axes,) = panels(1, 1, (5.0, 2.6))
    axes.plot(distances, 100 * np.arange(1, len(distances) + 1) / len(distances), color=BLUE)
    axes.axvline(SUPPORTED, color=VERMILLION, linewidth=1.0)
    axes.set(xlabel="distance to the nearest pair of another episode (standard deviations)", ylabel="rows (%)")
    axes.set(xlim=(0, None), ylim=(0, 100))
    share = 100 * quality.coverage.supported
    caption = (
        f"Share of rows with a neighbour this near. For the {share:.0f} % left of the red line ({SUPPORTED}), "
        "more than one episode shows what follows, so that a learner can join parts of episodes."
    )
    return Picture("support", "How far from known ground", caption, figure)
