"""`make bench`: measure everything, print it, and write docs/benchmarks/ and the README's table.

With `--short` everything runs once and small, to see that it works: nothing is written, and no figure is
judged.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.figures import Figure
from tests.benchmarks.section import Section
from tests.benchmarks.table import print_figures, print_table

# Modules beside this one in the order of the page, each with `section(*, short) -> Section` or, where there
# are figures alone, `figures(*, short) -> list[Figure]`.
BENCHMARKS = (
    "quota",
    "faults",
    "library",
    "async_calls",
    "prompt_cache",
    "rivals",
    "http_api",
    "load",
    "streaming",
    "batch",
    "lanes",
)
ROUNDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write when all was measured in full."""
    options = _parser().parse_args(arguments)
    load = os.getloadavg()[0]
    sections = {}
    for name in options.only or BENCHMARKS:
        started = time.monotonic()
        sections[name] = measure(name, short=options.short, rounds=options.rounds)
        print(f"\n{report.TITLES[name]} ({time.monotonic() - started:.0f} s)\n")
        for table in sections[name].tables:
            print_table(table.headings, table.rows)
        if sections[name].figures:
            print_figures(sections[name].figures)
        sys.stdout.flush()
    if options.short:
        with tempfile.TemporaryDirectory() as folder:
            for section in sections.values():
                for picture in section.pictures:
                    report.draw(Path(folder) / "plot.svg", picture)
        print("\nEverything ran. These figures are of a short form that only shows that it works.")
    elif not options.only:
        page = report.write(sections, rounds=options.rounds, load=load)
        print(f"\nWritten: {page.parent.relative_to(report.ROOT)}/")
    return 0


def measure(name: str, *, short: bool, rounds: int) -> Section:
    """The section of one module; modules that compare sides take the number of rounds."""
    module = import_module(f"tests.benchmarks.{name}")
    if hasattr(module, "section"):
        found: Section = module.section(short=short)
        return found
    extra = {"rounds": rounds} if name in report.PICTURES else {}
    figures: list[Figure] = module.figures(short=short, **extra)
    if short:
        figures = [replace(figure, bar=None, stretch=None) for figure in figures]
    return Section(figures=figures, pictures=report.ratio_pictures(name, figures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures LLMManager.")
    parser.add_argument("--short", action="store_true", help="only see that everything works")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the median (default: 3)")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, help="measure these; nothing is written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
