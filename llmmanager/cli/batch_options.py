"""Options and values of the commands that run or check a batch on this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from llmmanager.batch_lanes.lane import AUTO, LANES
from llmmanager.cli.common_options import (
    add_targets,
    auth_of,
    cost_multiple,
    models_of,
    positive_int,
    regions_of,
    share,
)
from llmmanager.cli.exit_status import CommandError

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager
    from llmmanager.batch_run.input_records import BatchInputFile, InputCheck

# A record waits for quota as long as the batch runs.
_LONGEST_WAIT_SECONDS = 30 * 24 * 3600


def add_file(parser: ArgumentParser) -> None:
    """Add the input file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="records, as JSON Lines")


def add_lane(parser: ArgumentParser, *, default: str | None = AUTO) -> None:
    """Add the lane of a batch on a deployed stack."""
    parser.add_argument(
        "--lane",
        choices=LANES,
        default=default,
        help="how records run: auto is the cheapest lane that meets the deadline. Default: auto",
    )


def add_run_options(parser: ArgumentParser) -> None:
    """Add the options that decide where and how records run."""
    add_targets(parser)
    parser.add_argument(
        "--concurrency", type=positive_int, default=32, metavar="N", help="parallel calls. Default: 32"
    )
    add_failover(parser)


def add_failover(parser: ArgumentParser, *, default: str | None = "wait") -> None:
    """Add the options that decide when other models answer a record."""
    parser.add_argument(
        "--on-throttle",
        choices=("wait", "failover"),
        default=default,
        help="whether a throttled record waits for its model, or uses another one. Default: wait",
    )
    parser.add_argument(
        "--max-cost-multiple",
        type=cost_multiple,
        metavar="N",
        help="the maximum cost of another model, as a multiple of that of the first one",
    )


def add_prompt_cache(parser: ArgumentParser) -> None:
    """Add the option for the prompt cache."""
    parser.add_argument(
        "--prompt-cache",
        choices=("auto", "off"),
        default="auto",
        help="auto: records with the same long tools and system prompt use the prompt cache; off: only those "
        "that ask for it. Default: auto",
    )


def add_answer_checks(parser: ArgumentParser) -> None:
    """Add the rules for answers, and the limit of failed records."""
    parser.add_argument(
        "--response-validation",
        metavar="JSON",
        help="rules for each answer, as responseValidation of the HTTP API: a file, or the JSON itself",
    )
    parser.add_argument(
        "--max-failed-share",
        type=share,
        metavar="SHARE",
        help="stop the batch when more than this share of its records has failed, from 0 to 1",
    )


def parallel_manager_of(options: Namespace) -> ParallelLLMManager:
    """Return the manager that runs the records."""
    from dataclasses import replace

    from llmmanager import ParallelLLMManager, ParallelProcessingConfig
    from llmmanager.batch_files.record_retries import RECORD_RETRIES, RECORD_SECONDS

    return ParallelLLMManager(
        models_of(options),
        regions_of(options),
        auth_of(options),
        replace(RECORD_RETRIES, on_throttle=options.on_throttle, max_cost_multiple=options.max_cost_multiple),
        ParallelProcessingConfig(
            max_concurrent_requests=options.concurrency, request_timeout_seconds=_LONGEST_WAIT_SECONDS
        ),
        timeout=RECORD_SECONDS,
    )


def check_input(source: BatchInputFile) -> InputCheck:
    """Return what the check of the input has found.

    Raises:
        CommandError: the file cannot be a batch.
    """
    from llmmanager.batch_run.input_records import InvalidInputFile

    try:
        return source.check()
    except InvalidInputFile as error:
        raise CommandError(
            str(error), "`llmmanager batch validate FILE` lists the problems of each line."
        ) from None
