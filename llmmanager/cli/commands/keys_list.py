"""`llmmanager keys list`: lists the API keys of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--owner", metavar="NAME", help="only the keys of this owner")
    parser.add_argument("--team", metavar="NAME", help="only the keys of this team")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the keys without their secrets, the newest first."""
    query = {"owner": options.owner, "team": options.team}
    keys = list(DeployedStack(options).pages("/v1/keys", "keys", query))
    if options.json:
        terminal.print_json(keys)
    else:
        from llmmanager.batch_report.number_formats import moment_of

        names = ("keyId", "status", "owner", "team")
        rows = [[*(key.get(name) for name in names), moment_of(key.get("expiresAt"))] for key in keys]
        terminal.print_table(("key", "status", "owner", "team", "expires"), rows)
    return ExitStatus.SUCCESS
