"""Draws one mark for each library and fault over the seconds that it took, as an SVG file.

    python plot_faults.py picture.svg < picture.json

The JSON has `title`, `below` (the axis), `rows` (names) and `libraries`: by name, for each row `seconds` and
`mark`: "answer", "error" or "bad".
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.lines import Line2D

# The same figures make the same file, and its text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "llmmanager", "svg.fonttype": "none", "font.size": 9})

COLOURS = ("#1f77b4", "#ff7f0e", "#7f7f7f", "#9467bd")
MARKS = {"answer": "o", "error": "|", "bad": "X"}
MEANING = {"answer": "complete answer", "error": "clean error", "bad": "neither"}


def main(path: str, picture: dict[str, Any]) -> None:
    rows, libraries = picture["rows"], picture["libraries"]
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.36 * len(rows)), layout="constrained")
    step = 0.8 / len(libraries)
    for place, (colour, outcomes) in enumerate(zip(COLOURS, libraries.values(), strict=False)):
        for row, outcome in enumerate(outcomes):
            at = row - 0.4 + step * (place + 0.5)
            axes.plot([0, outcome["seconds"]], [at, at], color=colour, linewidth=0.8, alpha=0.6)
            mark = MARKS[outcome["mark"]]
            axes.plot(outcome["seconds"], at, mark, color=colour, markersize=5, markeredgewidth=1.2)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_title(picture["title"])
    axes.set_xlabel(picture["below"])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False)
    shown = [
        *(Line2D([], [], color=colour, label=name) for colour, name in zip(COLOURS, libraries, strict=False)),
        *(
            Line2D([], [], color="black", marker=mark, linestyle="", label=MEANING[kind])
            for kind, mark in MARKS.items()
        ),
    ]
    axes.legend(handles=shown, frameon=False, loc="lower right")
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
