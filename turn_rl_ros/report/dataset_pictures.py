"""The pictures of a dataset: score, returns, coverage, actions, motion, drift, and where the findings lie."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Discrete
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Quality, Severity
from turn_rl_ros.data.quality.figures import episodes_of
from turn_rl_ros.data.quality.finding import session_bounds
from turn_rl_ros.report.dataset_coverage import cells_picture, support_picture
from turn_rl_ros.report.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILLION,
    Picture,
    panels,
)

COLOURS = {Severity.ERROR: VERMILLION, Severity.WARNING: ORANGE, Severity.NOTE: SKY}
MOST_NAMES = 60
"""Elements of an observation that a drift panel names; more would not be readable."""


def draw_dataset(data: Dataset, quality: Quality) -> list[Picture]:
    """Every picture that this dataset has the rows for, in the order of the page."""
    makers: tuple[Callable[[Dataset, Quality], Picture | None], ...] = (
        score_picture,
        timeline_picture,
        returns_picture,
        cells_picture,
        support_picture,
        actions_picture,
        motion_picture,
        drift_picture,
    )
    return [picture for picture in (make(data, quality) for make in makers) if picture]


def score_picture(data: Dataset, quality: Quality) -> Picture:
    """A bar for each part of the score, on a track as long as its weight."""
    parts = quality.score.parts[::-1]
    figure, (axes,) = panels(1, 1, (6.5, 0.9 + 0.3 * len(parts)))
    names = [part.name for part in parts]
    axes.barh(names, [part.weight for part in parts], 0.62, color=FAINT)
    axes.barh(names, [part.points for part in parts], 0.62, color=BLUE)
    for row, part in enumerate(parts):
        axes.text(part.weight + 0.04, row, f"{part.points:.1f} of {part.weight:.1f}", va="center", color=INK, size=8)
    axes.set(xlabel="points", xlim=(0, 3.1))
    axes.grid(axis="y", visible=False)
    caption = "What each part of the score earned, of what it can earn. The parts add up to the score."
    return Picture("score", "Where the score comes from", caption, figure)


def timeline_picture(data: Dataset, quality: Quality) -> Picture | None:
    """A lane for each finding, rows from left to right, sessions parted by lines; None without a finding."""
    if not quality.findings:
        return None
    lanes = quality.findings[::-1]
    figure, (axes,) = panels(1, 1, (8.2, 0.9 + 0.32 * len(lanes)))
    least = len(data) / 400  # a single row must still be seen
    for lane, one in enumerate(lanes):
        bars = [(start, max(stop - start, least)) for start, stop in one.spans.tolist()]
        axes.broken_barh(bars, (lane - 0.3, 0.6), facecolors=COLOURS[one.severity])
    for start, _ in session_bounds(data)[1:]:
        axes.axvline(start, color=GREY, linewidth=0.6)
    axes.set_yticks(range(len(lanes)), [one.what for one in lanes])
    axes.set(xlabel="row of the dataset", xlim=(0, len(data)), ylim=(-0.6, len(lanes) - 0.4))
    caption = (
        "Rows that each finding speaks of; lines part the sessions. Red: error, orange: warning, light blue: note."
    )
    return Picture("timeline", "Where the findings lie", caption, figure)


def returns_picture(data: Dataset, quality: Quality) -> Picture:
    """Return of each episode over the sessions."""
    episodes = episodes_of(data)
    figure, (axes,) = panels(1, 1, (8.2, 2.8))
    order = np.arange(len(episodes.returns))
    won = episodes.success == 1
    for marked, colour, name in (
        (~episodes.whole, FAINT, "cut or on the way home"),
        (episodes.whole & ~won, BLUE, "whole"),
        (episodes.whole & won, GREEN, "ended in success"),
    ):
        if marked.any():
            axes.plot(order[marked], episodes.returns[marked], "o", markersize=3, color=colour, label=name)
    for number in np.flatnonzero(np.diff(data.session[episodes.starts])):
        axes.axvline(number + 0.5, color=GREY, linewidth=0.6)
    axes.set(xlabel="episode", ylabel="return")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    caption = "Undiscounted return of every episode; lines part the sessions. Learning needs episodes that differ."
    return Picture("returns", "Returns", caption, figure)


def actions_picture(data: Dataset, quality: Quality) -> Picture:
    """How often each value of each action was taken."""
    action = data.spec.action
    if isinstance(action, Discrete):
        figure, (axes,) = panels(1, 1, (5.0, 2.4))
        axes.bar(action.names, 100 * np.bincount(data.actions, minlength=action.size) / len(data), 0.7, color=BLUE)
        axes.set(ylabel="rows (%)")
        axes.grid(axis="x", visible=False)
        return Picture("actions", "Actions", "Share of rows with each action.", figure)
    figure, places = panels(action.size, 4, (2.1, 1.7))
    for index, axes in enumerate(places):
        low, high = action.low[index], action.high[index]
        values = data.actions[np.isfinite(data.actions[:, index]), index]
        axes.hist(np.clip(values, low, high), 31, range=(low, high), color=BLUE)
        axes.set(title=action.names[index], xlabel=action.units[index], xlim=(low, high))
        axes.set_yticks([])
    caption = "Histogram of each action between its limits; what lies beyond a limit is counted at it."
    return Picture("actions", "Actions", caption, figure)


def motion_picture(data: Dataset, quality: Quality) -> Picture | None:
    """Speed, acceleration and jerk of each joint: median, 99 % and maximum; None where nothing moved."""
    kinds = ("speed", "acceleration", "jerk")
    table = np.array([[getattr(joint, kind) for kind in kinds] for joint in quality.motion])
    if not table.size or not np.nanmax(np.nan_to_num(table)) > 0:
        return None
    names = [joint.joint for joint in quality.motion]
    figure, places = panels(3, 3, (2.9, 1.2 + 0.25 * len(names)), sharey=True)
    rows = np.arange(len(names))
    for index, (axes, kind) in enumerate(zip(places, kinds, strict=True)):
        for column, (mark, colour, label) in enumerate(
            (("o", BLUE, "median"), ("s", ORANGE, "99 %"), ("|", INK, "max"))
        ):
            axes.plot(
                table[:, index, column], rows, mark, color=colour, markersize=5 if mark != "|" else 9, label=label
            )
        if kind == "speed":
            limits = [joint.limit if joint.limit < 1e5 else np.nan for joint in quality.motion]
            axes.plot(limits, rows, "x", color=VERMILLION, markersize=5, label="limit")
        axes.set(xlabel=f"{kind} ({data.spec.joint_units[0]}/s{('', '²', '³')[index]})", xscale="log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    places[0].set_yticks(rows, names)
    places[0].invert_yaxis()
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    caption = "Per joint: median, 99 % quantile and maximum. A maximum far right of the 99 % quantile is a jump."
    return Picture("motion", "Speed, acceleration and jerk", caption, figure)


def drift_picture(data: Dataset, quality: Quality) -> Picture | None:
    """Sessions against elements, dark where a session differs from the others; None with one session."""
    found = quality.drift
    if found is None:
        return None
    tables = (
        ("dynamics (share not explained)", found.dynamics, found.outputs),
        ("actions (KS)", found.actions, data.spec.action.names),
        ("observations (KS)", found.observations, data.spec.observation.names),
    )
    height = 1.4 + 0.15 * max(len(names[:MOST_NAMES]) for _, _, names in tables)
    figure = Figure(figsize=(8.4, height), layout="constrained")
    places = figure.subplots(1, 3, squeeze=False)[0].tolist()
    for axes, (title, table, names) in zip(places, tables, strict=True):
        drawn = _matrix(axes, table[:, :MOST_NAMES], names[:MOST_NAMES], title)
    figure.colorbar(drawn, ax=places, label="0: alike, 1: nothing in common")
    caption = (
        "Each session (across) against all others, element by element (down). Observations and actions change when the "
        "policy does; a dark field in dynamics means that the same command no longer does the same."
    )
    return Picture("drift", "Drift between sessions", caption, figure)


def _matrix(axes: Axes, table: NDArray[np.float64], names: tuple[str, ...], title: str) -> AxesImage:
    drawn = axes.imshow(table.T, vmin=0, vmax=1, cmap="YlGnBu", aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.set(title=title, xlabel="session")
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn
