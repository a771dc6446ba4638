"""`llmmanager keys revoke`: revokes an API key of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("key_id", metavar="KEY", help="the id of the key")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Revoke the key."""
    revoked = DeployedStack(options).call("DELETE", f"/v1/keys/{options.key_id}")
    if options.json:
        terminal.print_json(revoked)
    else:
        terminal.print(f"{revoked['keyId']} is revoked")
    return ExitStatus.SUCCESS
