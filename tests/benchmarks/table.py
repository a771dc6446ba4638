"""Figures as text for a terminal and as Markdown for docs/benchmarks/."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tests.benchmarks.figures import Figure

HEADINGS = ("what", "figure", "bar", "stretch", "met", "made of", "note")


def print_figures(figures: Iterable[Figure]) -> None:
    """Print one line a figure, below each other by column."""
    print_table(HEADINGS[:6], [cells(figure)[:6] for figure in figures])


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one line a row, below each other by column."""
    rows = [headings, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def markdown(figures: Iterable[Figure]) -> str:
    """A Markdown table with one line a figure; columns that no figure fills are left out."""
    return markdown_table(HEADINGS, [cells(figure) for figure in figures])


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without the columns that are empty in every row."""
    filled = [column for column in range(len(headings)) if column == 0 or any(row[column] for row in rows)]
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(_escaped(line[column]) for column in filled)} |\n" for line in lines)


def cells(figure: Figure) -> tuple[str, ...]:
    """A figure under `HEADINGS`; what does not hold for it is empty."""
    return (
        figure.what,
        f"{number(figure.value)} {figure.unit}".rstrip(),
        number(figure.bar),
        number(figure.stretch),
        verdict(figure),
        ", ".join(f"{name} {number(value)}" for name, value in figure.parts.items()),
        figure.note,
    )


def verdict(figure: Figure) -> str:
    """Whether the bar and the stretch are met; empty where there is neither."""
    if figure.stretch is not None and figure.value <= figure.stretch:
        return "stretch"
    if figure.bar is None:
        return ""
    return "yes" if figure.value <= figure.bar else "NO"


def number(value: float | None) -> str:
    """Three significant digits, and no exponent; empty for None, and a dash for not-a-number."""
    if value is None:
        return ""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) < 0.001:
        return f"{value:.6f}".rstrip("0")
    return f"{value:.3g}"


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
