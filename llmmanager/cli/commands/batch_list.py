"""`llmmanager batch list`: lists the batches of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import islice

from llmmanager.cli.common_options import positive_int
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--limit", type=positive_int, default=20, metavar="N", help="the number of batches. Default: 20"
    )
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the batches, the most recently started or resumed first."""
    found = list(islice(DeployedStack(options).pages("/v1/batches", "batches"), options.limit))
    if options.json:
        terminal.print_json(found)
    else:
        from llmmanager.batch_report.number_formats import moment_of

        rows = [[batch["batchId"], batch["status"], moment_of(batch.get("startedAt"))] for batch in found]
        terminal.print_table(("batch", "status", "started"), rows)
    return ExitStatus.SUCCESS
