"""Draws horizontal bars, group by group, as an SVG file.

    python plot.py picture.svg < picture.json

The JSON has `title`, `unit` (below the axis), `limit` (a line; what lies left of it is better) and `groups`:
a list of `{"name", "bars": {label: value}}`. The axis is logarithmic: ratios of 1/2 and 2 are as far from 1.
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
    rows = sum(len(group["bars"]) + (len(groups) > 1) for group in groups)
    figure, axes = pyplot.subplots(figsize=(8, 1.1 + BAR * rows), layout="constrained")
    at, ticks = 0.0, []
    for group in groups:
        if len(groups) > 1:
            ticks.append((at, group["name"], "bold"))
            at += 1
        for label, value in group["bars"].items():
            axes.barh(at, value - 1, left=1, height=0.75, color=colours.get(label, COLOURS[0]))
            axes.text(value, at, f" {value:.3g} ", va="center", ha="left" if value >= 1 else "right")
            ticks.append((at, label, "normal"))
            at += 1
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    values = [value for group in groups for value in group["bars"].values()]
    axes.set_xlim(min([*values, 0.5]) / 1.8, max([*values, 2.0]) * 1.8)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes.set_yticks([tick for tick, _, _ in ticks], [name for _, name, _ in ticks])
    for text, (_, _, weight) in zip(axes.get_yticklabels(), ticks, strict=True):
        text.set_fontweight(weight)
    axes.invert_yaxis()
    axes.set_title(picture["title"])
    axes.set_xlabel(picture["unit"])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
