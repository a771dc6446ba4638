"""`llmmanager batch validate`: checks a file of records without a call."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from llmmanager.cli.batch_options import add_file
from llmmanager.cli.common_options import add_json
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager.batch_files.records import Rejected


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_file(parser)
    parser.add_argument(
        "-m", "--model", action="append", metavar="NAME", help="a model whose limits the records must keep"
    )
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the problems of each line."""
    from llmmanager import UnifiedModelManager
    from llmmanager.batch_files.records import Rejected
    from llmmanager.batch_run.input_records import BatchInputFile, InvalidInputFile

    catalog = UnifiedModelManager()
    model_ids = tuple(catalog.resolve(name).model_id for name in options.model or ())
    valid = invalid = 0
    try:
        for entry in BatchInputFile(options.file, model_ids).entries():
            if not isinstance(entry, Rejected):
                valid += 1
                continue
            invalid += 1
            _print_rejected(entry, options, terminal)
    except InvalidInputFile as error:
        raise CommandError(str(error)) from None
    if not valid + invalid:
        raise CommandError(f"{options.file}: the file has no records")
    if options.json:
        terminal.print_json({"valid": valid, "invalid": invalid})
    else:
        terminal.print(f"{valid:,} valid, {invalid:,} invalid", style="bold")
    return ExitStatus.FAILED if invalid else ExitStatus.SUCCESS


def _print_rejected(entry: Rejected, options: Namespace, terminal: Terminal) -> None:
    if options.json:
        terminal.print_json(entry.to_json())
        return
    for reason in entry.reasons:
        terminal.print(f"{options.file}:{entry.line}: {reason}")
