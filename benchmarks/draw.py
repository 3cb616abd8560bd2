"""Draws figures as SVG: `python -P draw.py FOLDER` reads what `plots.figure` returns.

It runs in the environment of Matplotlib, and imports nothing else. The same figures give the same
files: there are no dates and no random ids. The background is white, so that the plots can be read
on a dark page as well.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator  # type: ignore[import-not-found]

SETTINGS = {
    "svg.fonttype": "none",  # text instead of outlines: smaller, and it can be searched
    "svg.hashsalt": "benchmarks",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # with which the layout is computed
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.left": False,
    "axes.spines.right": False,
}
METADATA = {"Date": None, "Creator": None, "Type": None, "Format": None}

#: Colours that people who see fewer colours can tell apart, and a marker for each.
STYLES = {
    "ours": ("#0072b2", "o"),
    "bare": ("#555555", "|"),
    "raw": ("#d55e00", "s"),
    "dcrf": ("#cc79a7", "D"),
    "starlette": ("#009e73", "^"),
    "chanx": ("#e69f00", "v"),
    "socketio": ("#56b4e9", "P"),
}
OTHER = ("#000000", "x")

#: Inches: the width, the height of a row, and that around a panel.
WIDTH, ROW, AROUND = 7.6, 0.42, 0.6
#: Inches of the labels below an axis.
LABELS = 0.45
#: Inches of the legend and of the footer.
HEAD, FOOT = 0.25, 0.3


def draw(figure: dict[str, Any], folder: Path) -> None:
    """Draw one figure."""
    heights = [ROW * len(panel["rows"]) + AROUND for panel in figure["panels"]]
    height = sum(heights) + HEAD + FOOT
    canvas = plt.figure(figsize=(WIDTH, height), facecolor="white")
    top = height - HEAD
    for panel, size in zip(figure["panels"], heights, strict=True):
        rectangle = (0.03, (top - size + LABELS) / height, 0.94, (size - AROUND) / height)
        draw_panel(canvas.add_axes(rectangle), panel)
        top -= size
    draw_legend(canvas, figure["peers"])
    canvas.text(0.03, 0.1 / height, figure["footer"], fontsize=7, color="#555555")
    canvas.savefig(folder / f"{figure['case']}.svg", metadata=METADATA)
    plt.close(canvas)


def draw_panel(axes: Any, panel: dict[str, Any]) -> None:
    """Draw the rows of one unit: the label, and below it the medians with their quartiles."""
    rows = panel["rows"]
    label_at = axes.get_yaxis_transform()
    if panel["logarithmic"]:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=subdivisions(panel["limits"])))
        axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.set_xlim(panel["limits"])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_ylim(len(rows) - 0.5, -0.75)
    axes.set_yticks([])
    axes.set_xlabel(panel["title"], fontsize=8)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for number, row in enumerate(rows):
        axes.text(0, number - 0.32, row["label"], fontsize=8, transform=label_at, va="center")
    for name in dict.fromkeys(name for row in rows for name in row["points"]):
        draw_peer(axes, name, [row["points"].get(name) for row in rows])


def draw_peer(axes: Any, name: str, points: list[list[float] | None]) -> None:
    """Draw the points of one peer. The number of a row is its height."""
    color, marker = STYLES.get(name, OTHER)
    numbers = [number for number, point in enumerate(points) if point]
    lows, medians, highs = zip(*filter(None, points), strict=True)
    axes.hlines(numbers, lows, highs, color=color, linewidth=2, alpha=0.5, clip_on=False)
    style = {"linestyle": "", "markersize": 6, "markeredgewidth": 1.5, "clip_on": False}
    axes.plot(medians, numbers, color=color, marker=marker, **style)


def subdivisions(limits: tuple[float, float]) -> tuple[float, ...]:
    """Return at which multiples of a power of ten a logarithmic axis has numbers."""
    low, high = limits
    return (1.0,) if high / low > 1_000 else (1.0, 2.0, 5.0)


def draw_legend(canvas: Any, peers: list[dict[str, str]]) -> None:
    """Draw the names of the peers above all panels."""
    handles = []
    for peer in peers:
        color, marker = STYLES.get(peer["name"], OTHER)
        handle = mpl.lines.Line2D([], [], color=color, marker=marker, linestyle="")
        handle.set_label(peer["label"])
        handles.append(handle)
    space = {"columnspacing": 1.2, "handletextpad": 0.3}  # so that eight names fit
    canvas.legend(handles=handles, loc="upper left", ncols=len(handles), frameon=False, **space)


if __name__ == "__main__":
    mpl.rcParams.update(SETTINGS)
    for each in json.load(sys.stdin):
        draw(each, Path(sys.argv[1]))
