"""`llmmanager batch estimate`: estimates the cost and the time of a batch before it runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from llmmanager.cli.answering import manager_of
from llmmanager.cli.batch_options import add_file, add_lane, check_input
from llmmanager.cli.common_options import (
    add_json,
    add_targets,
    positive_int,
    positive_number,
    require_credentials,
)
from llmmanager.cli.error_messages import command_error
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.lane_table import print_lanes
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import ModelCost


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_file(parser)
    add_targets(parser)
    parser.add_argument(
        "--output-tokens",
        type=positive_int,
        metavar="N",
        help="the expected output tokens of a record. Default: its maxTokens, or the maximum of the model",
    )
    add_lane(parser)
    parser.add_argument(
        "--deadline", type=positive_number, metavar="SECONDS", help="the deadline of the batch"
    )
    parser.add_argument(
        "--concurrency",
        type=positive_int,
        metavar="N",
        help="parallel calls of the batch. Default: as in a stack with default settings",
    )
    parser.add_argument("--offline", action="store_true", help="do not read the account's quotas")
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print tokens, cost and time for each model that could answer all records, and compare the lanes."""
    from llmmanager import LLMManagerError
    from llmmanager.batch_report.number_formats import counted
    from llmmanager.batch_run.input_records import BatchInputFile

    manager = manager_of(options)
    if not options.offline:
        try:
            require_credentials(options)
            manager.refresh_model_data()
        except LLMManagerError as error:
            terminal.note(f"the quotas are unknown: {command_error(error)}")
    found = manager.estimate_file_cost(
        options.file,
        output_tokens=options.output_tokens,
        lane=options.lane,
        deadline_seconds=options.deadline,
        concurrency=options.concurrency,
    )
    if options.json:
        terminal.print_json(found.to_members())
    elif found.lanes is None:
        # No line is a valid record. This raises the reason.
        check_input(BatchInputFile(options.file))
    else:
        terminal.print(f"{counted(found.records, 'record')}, {found.rejected_lines:,} invalid", style="bold")
        _print_models(found.models, terminal)
        terminal.print("")
        print_lanes(found.lanes.to_members(), terminal)
    return ExitStatus.SUCCESS if found.records else ExitStatus.USAGE


def _print_models(models: tuple[ModelCost, ...], terminal: Terminal) -> None:
    from llmmanager.batch_report.number_formats import dollars, duration

    rows = [
        [
            cost.model,
            f"{cost.input_tokens:,}",
            f"{cost.output_tokens:,}",
            cost.reason if cost.usd is None else dollars(cost.usd),
            None if cost.quota_seconds is None else duration(cost.quota_seconds * 1000),
        ]
        for cost in models
    ]
    terminal.print_table(
        ("model", "input tokens", "output tokens", "cost without cache", "time under its quotas"), rows
    )
