"""`llmmanager budgets list`: lists the budgets of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("name", nargs="?", help="only budgets of this key, caller or team")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the budgets, and what is spent and left."""
    from llmmanager.batch_report.number_formats import dollars

    budgets = [
        budget
        for budget in DeployedStack(options).pages("/v1/budgets", "budgets")
        if options.name in (None, budget["name"])
    ]
    if options.json:
        terminal.print_json(budgets)
        return ExitStatus.SUCCESS
    if not budgets:
        terminal.note(
            "there is no budget" if options.name is None else f"no budget is named {options.name!r}"
        )
        return ExitStatus.SUCCESS
    rows = [
        [
            budget["scope"],
            budget["name"],
            period,
            *(dollars(budget[period][name]) for name in ("limit", "spent", "left")),
        ]
        for budget in budgets
        for period in ("day", "month")
        if budget.get(period)
    ]
    terminal.print_table(("scope", "name", "period", "limit", "spent", "left"), rows)
    return ExitStatus.SUCCESS
