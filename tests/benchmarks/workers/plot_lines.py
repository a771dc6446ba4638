"""Draws lines over time, panel below panel, as an SVG file.

    python plot_lines.py picture.svg < picture.json

The JSON has `title`, `below` (the common axis) and `panels`: a list of `{"left", "lines": {label: points}}`,
where points are pairs. A label has the same colour in all panels.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib
from matplotlib import pyplot

# The same figures make the same file, and its text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "llmmanager", "svg.fonttype": "none", "font.size": 9})

COLOURS = ("#1f77b4", "#ff7f0e", "#7f7f7f", "#9467bd", "#2ca02c", "#8c564b")


def main(path: str, picture: dict[str, Any]) -> None:
    panels = picture["panels"]
    figure, grid = pyplot.subplots(
        len(panels), figsize=(8, 2.4 * len(panels) + 0.6), sharex=True, squeeze=False, layout="constrained"
    )
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        for colour, (label, points) in zip(COLOURS * 2, panel["lines"].items(), strict=False):
            axes.plot(*zip(*points, strict=True), label=label, color=colour, linewidth=1.4)
        axes.set_ylabel(panel["left"])
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    grid[0, 0].set_title(picture["title"])
    lines = grid[0, 0].get_lines()
    figure.legend(handles=lines, frameon=False, loc="outside lower center", ncols=len(lines))
    grid[-1, 0].set_xlabel(picture["below"])
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
