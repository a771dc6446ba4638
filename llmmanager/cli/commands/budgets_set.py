"""`llmmanager budgets set`: sets a budget of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.common_options import amount
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("scope", choices=("key", "caller", "team"), help="what the budget limits")
    parser.add_argument("name", metavar="NAME", help="the id of the key, the caller or the team")
    parser.add_argument("--daily", type=amount, metavar="USD", help="the limit of a UTC day")
    parser.add_argument("--monthly", type=amount, metavar="USD", help="the limit of a UTC month")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Set the budget. It replaces the one before."""
    from urllib.parse import quote

    from llmmanager.batch_report.number_formats import dollars, moment_of

    if options.daily is None and options.monthly is None:
        raise CommandError(
            "--daily or --monthly is required", "`llmmanager budgets delete` removes the limits of a budget."
        )
    limits = {"dailyUsd": options.daily, "monthlyUsd": options.monthly}
    budget = DeployedStack(options).call(
        "PUT", f"/v1/budgets/{options.scope}/{quote(options.name, safe='')}", limits
    )
    if options.json:
        terminal.print_json(budget)
        return ExitStatus.SUCCESS
    for period in ("day", "month"):
        if state := budget.get(period):
            left, limit = dollars(state["left"]), dollars(state["limit"])
            terminal.print(f"{period}: {left} of {limit} left until {moment_of(state['resetsAt'])}")
    return ExitStatus.SUCCESS
