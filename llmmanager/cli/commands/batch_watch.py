"""`llmmanager batch watch`: follows a batch of a deployed stack until it ends."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.batch_watching import watch
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("batch_id", metavar="ID", help="the id of the batch")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Show the progress of the batch, and print its summary at the end."""
    return watch(DeployedStack(options), options.batch_id, terminal, as_json=options.json)
