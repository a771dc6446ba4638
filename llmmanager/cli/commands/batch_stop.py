"""`llmmanager batch stop`: stops a batch of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("batch_id", metavar="ID", help="the id of the batch")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Stop the batch."""
    found = DeployedStack(options).call("POST", f"/v1/batches/{options.batch_id}/stop")
    if options.json:
        terminal.print_json(found)
    else:
        terminal.print(f"{options.batch_id} is stopped")
        terminal.note(f"Continue it with: llmmanager batch resume {options.batch_id}")
    return ExitStatus.SUCCESS
