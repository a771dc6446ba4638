"""`llmmanager batch estimate`: estimates the cost and the time of a batch before it runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.answering import manager_of
from llmmanager.cli.batch_options import add_file
from llmmanager.cli.common_options import add_json, add_targets, positive_int, require_credentials
from llmmanager.cli.error_messages import command_error
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal


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
    parser.add_argument("--offline", action="store_true", help="do not read the account's quotas")
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print tokens, cost and time for each model that could answer all records."""
    from dataclasses import asdict

    from llmmanager import LLMManagerError
    from llmmanager.batch_report.number_formats import counted, dollars, duration

    manager = manager_of(options)
    if not options.offline:
        try:
            require_credentials(options)
            manager.refresh_model_data()
        except LLMManagerError as error:
            terminal.note(f"the quotas are unknown: {command_error(error)}")
    found = manager.estimate_file_cost(options.file, output_tokens=options.output_tokens)
    if options.json:
        terminal.print_json(asdict(found))
    elif not found.records:
        raise CommandError(
            f"{options.file}: no line is a valid record",
            "`llmmanager batch validate FILE` lists the problems of each line.",
        )
    else:
        terminal.print(f"{counted(found.records, 'record')}, {found.rejected_lines:,} invalid", style="bold")
        rows = [
            [
                cost.model,
                f"{cost.input_tokens:,}",
                f"{cost.output_tokens:,}",
                cost.reason if cost.usd is None else dollars(cost.usd),
                None if cost.quota_seconds is None else duration(cost.quota_seconds * 1000),
            ]
            for cost in found.models
        ]
        terminal.print_table(
            ("model", "input tokens", "output tokens", "cost", "time under its quotas"), rows
        )
    return ExitStatus.SUCCESS if found.records else ExitStatus.USAGE
