"""`llmmanager batch report`: writes the report of a folder of results."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from llmmanager.cli.common_options import add_json, positive_int
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with summary.json and results")
    parser.add_argument(
        "--samples", type=positive_int, default=0, metavar="N", help="show N answers, at most 20"
    )
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Write report.html."""
    from llmmanager.batch_report.batch_folder import write_report

    try:
        path = write_report(options.folder, samples=options.samples)
    except ValueError as error:
        raise CommandError(f"{options.folder / str(error)}") from None
    if options.json:
        terminal.print_json({"report": str(path)})
    else:
        terminal.print(f"report: {path}")
    return ExitStatus.SUCCESS
