"""`llmmanager budgets delete`: deletes a budget of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("scope", choices=("key", "caller", "team"), help="what the budget limits")
    parser.add_argument("name", metavar="NAME", help="the id of the key, the caller or the team")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Delete the budget. The usage stays."""
    from urllib.parse import quote

    path = f"/v1/budgets/{options.scope}/{quote(options.name, safe='')}"
    deleted = DeployedStack(options).call("DELETE", path)
    if options.json:
        terminal.print_json(deleted)
    else:
        terminal.print(f"the budget of {options.scope} {options.name} is deleted")
    return ExitStatus.SUCCESS
