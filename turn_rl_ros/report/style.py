"""The look of every figure: one palette that colour-blind readers can tell apart, thin lines, no ornament."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

# Okabe and Ito (2008), the colours that stay apart under the common colour-vision deficiencies.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#B8AC00", "#7A7A7A"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, GREY)
INK, FAINT, PAPER = "#2B2B2B", "#DEDEDA", "#FCFCFA"
COUNTS = LinearSegmentedColormap.from_list("counts", colormaps["YlGnBu"](np.linspace(0.22, 1.0, 256)))
"""Colour map of counts on paper: dark is much, one visit still shows; lightness carries it, so any eye can read it."""
DPI = 160

_RC: Any = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9A9A96",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
}
matplotlib.rcParams.update(_RC)


@dataclass(frozen=True)
class Picture:
    """A figure with the words that go with it."""

    name: str
    """File name without suffix."""
    title: str
    caption: str
    """What is shown and how to read it, in plain words."""
    figure: Figure

    @property
    def width_px(self) -> int:
        """Width on the page, CSS pixels; text then has the size of the page's small print."""
        return round(100 * float(self.figure.get_figwidth()))

    def png(self) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def panels(count: int, columns: int, size: tuple[float, float], **subplots: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels of `size` (width, height) inches, at most `columns` abreast; the rest is blank."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * size[0], rows * size[1]), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **subplots).ravel().tolist()
    for spare in grid[count:]:
        spare.set_visible(False)
    for above in grid[max(0, count - columns) : count]:
        above.tick_params(labelbottom=True)
    return figure, grid[:count]


def log_bar(figure: Figure, drawn: Any, axes: list[Axes], label: str, **layout: Any) -> None:
    """A colour bar beside `axes` for counts on a log scale; only whole powers of ten are named."""
    bar = figure.colorbar(drawn, ax=axes, label=f"{label} (log scale)", pad=0.015, format="%g", **layout)
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def stacked(
    axes: Axes,
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    empty: str,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Stacked bars, one a label; `empty` is written where there is nothing to stack."""
    bottom = [0.0] * len(labels)
    for index, (name, values) in enumerate(parts.items()):
        colour = (colours or {}).get(name, CYCLE[index % len(CYCLE)])
        axes.bar(labels, values, 0.7, bottom=bottom, label=name, color=colour, edgecolor=PAPER, linewidth=0.6)
        bottom = [b + v for b, v in zip(bottom, values, strict=True)]
    axes.grid(axis="x", visible=False)
    axes.set_xlim(-0.6, max(4, len(labels)) - 0.4)
    if not any(bottom):
        axes.set_xticks(range(len(labels)), labels)
        axes.set_ylim(0, 1)
        axes.set_yticks([0])
        axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center", va="center", color=GREY)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
