"""`llmmanager usage`: shows requests, tokens and cost on a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--from", dest="first_day", metavar="DAY", help="the first UTC day. Default: the month's"
    )
    parser.add_argument("--to", dest="last_day", metavar="DAY", help="the last UTC day. Default: today")
    parser.add_argument(
        "--group-by",
        default="team,model",
        metavar="NAMES",
        help="one or more of day, team, caller, key and model, separated by commas. Default: team,model",
    )
    for name in ("team", "caller", "key", "model"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only the usage of this {name}")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print a row for each group, and the totals."""
    query = {
        "from": options.first_day,
        "to": options.last_day,
        "groupBy": options.group_by,
        **{name: getattr(options, name) for name in ("team", "caller", "key", "model")},
    }
    usage = DeployedStack(options).call("GET", "/v1/usage", query=query)
    if options.json:
        terminal.print_json(usage)
        return ExitStatus.SUCCESS
    groups = [name.strip() for name in options.group_by.split(",")]
    counts = ("requests", "failures", "inputTokens", "outputTokens")
    rows = [
        [
            *(row.get(name) for name in groups),
            *(f"{row[name]:,}" for name in counts),
            f"{row['costUsd']:.6f}",
        ]
        for row in (*usage["rows"], {groups[0]: "total", **usage["totals"]})
    ]
    terminal.print_table((*groups, "requests", "failures", "input", "output", "USD"), rows)
    return ExitStatus.SUCCESS
