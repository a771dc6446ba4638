"""Draws horizontal bars, one plot for each group, as an SVG file.

    python plot.py picture.svg < picture.json

The JSON has `title`, `unit` (below the last axis) and `groups`: a list of `{"name", "bars": {label: value}}`.
Each group has an axis of its own, which begins at 0, and a line at 1.
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
BAR = 0.3  # inches


def main(path: str, picture: dict[str, Any]) -> None:
    groups = picture["groups"]
    labels = list(dict.fromkeys(label for group in groups for label in group["bars"]))
    colours = dict(zip(labels, COLOURS * len(labels), strict=False)) if len(groups) > 1 else {}
    heights = [len(group["bars"]) for group in groups]
    figure, grid = pyplot.subplots(
        len(groups),
        figsize=(8, 0.8 + sum(BAR * height + 0.5 for height in heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axes, group in zip(grid[:, 0], groups, strict=True):
        bars = group["bars"]
        axes.barh(
            range(len(bars)),
            list(bars.values()),
            height=0.75,
            color=[colours.get(label, COLOURS[0]) for label in bars],
        )
        axes.axvline(1, color="black", linewidth=0.8)
        for at, value in enumerate(bars.values()):
            axes.annotate(
                f"{value:.3g}",
                (value, at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        axes.set_xlim(0, max([*bars.values(), 1.0]) * 1.12)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.invert_yaxis()
        axes.set_title(group["name"], loc="left", fontweight="bold", fontsize=9)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(left=False)
    figure.suptitle(picture["title"])
    grid[-1, 0].set_xlabel(picture["unit"])
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
