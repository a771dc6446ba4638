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
from tests.benchmarks.table import print_figures

# Modules beside this one, each with `figures(*, short) -> list[Figure]`, in the order of the page.
BENCHMARKS = ("library", "rivals", "http_door", "load", "batch")
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
        print_figures(sections[name])
        sys.stdout.flush()
    if options.short:
        with tempfile.TemporaryDirectory() as folder:
            for name in report.PICTURES.keys() & sections.keys():
                report.draw(Path(folder) / "plot.svg", report.picture(name, sections[name]))
        print("\nEverything ran. These figures are of a short form that only shows that it works.")
    elif not options.only:
        page = report.write(sections, rounds=options.rounds, load=load)
        print(f"\nWritten: {page.parent.relative_to(report.ROOT)}/")
    return 0


def measure(name: str, *, short: bool, rounds: int) -> list[Figure]:
    """The figures of one module; those that compare sides take the number of rounds."""
    module = import_module(f"tests.benchmarks.{name}")
    extra = {"rounds": rounds} if name in report.PICTURES else {}
    figures: list[Figure] = module.figures(short=short, **extra)
    return [replace(figure, bar=None, stretch=None) for figure in figures] if short else figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures LLMManager.")
    parser.add_argument("--short", action="store_true", help="only see that everything works")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds whose median is told (default: 3)")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, help="measure these; nothing is written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
