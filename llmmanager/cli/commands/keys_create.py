"""`llmmanager keys create`: creates an API key of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.common_options import positive_int
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--owner", required=True, metavar="NAME", help="the person or program that has the key"
    )
    parser.add_argument("--team", required=True, metavar="NAME", help="the team that usage is counted for")
    parser.add_argument("-m", "--model", action="append", metavar="NAME", help="allow only this model")
    parser.add_argument("--target-region", action="append", metavar="REGION", help="allow only this region")
    parser.add_argument("--expires-in-days", type=positive_int, metavar="N", help="1 to 3650")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the key. It cannot be read again."""
    import uuid

    body = {
        "owner": options.owner,
        "team": options.team,
        "models": options.model,
        "regions": options.target_region,
        "expiresInDays": options.expires_in_days,
    }
    created = DeployedStack(options).call(
        "POST",
        "/v1/keys",
        {name: value for name, value in body.items() if value is not None},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )
    if options.json:
        terminal.print_json(created)
    else:
        terminal.print(created["key"])
        terminal.note("The key is not shown again.")
    return ExitStatus.SUCCESS
