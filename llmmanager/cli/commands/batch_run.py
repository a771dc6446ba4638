"""`llmmanager batch run`: runs a batch on this machine."""

from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmmanager.cli.batch_options import (
    add_answer_checks,
    add_file,
    add_prompt_cache,
    add_run_options,
    check_input,
    parallel_manager_of,
)
from llmmanager.cli.batch_savings import savings
from llmmanager.cli.common_options import add_json, json_object, positive_number, require_credentials
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager, ResponseValidationConfig
    from llmmanager.batch_run.batch_run import BatchRun, RunEnd
    from llmmanager.bedrock.catalog.catalog_entries import ModelAccess

_PROGRESS_SECONDS = 0.5


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_file(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="the folder of the results. Default: FILE-results"
    )
    add_run_options(parser)
    add_prompt_cache(parser)
    add_answer_checks(parser)
    parser.add_argument(
        "--lane",
        choices=("onDemand", "flex", "managed"),
        default="onDemand",
        help="flex uses the flex tier until the batch would miss its deadline; managed needs the stack. "
        "Default: onDemand",
    )
    parser.add_argument(
        "--deadline", type=positive_number, metavar="SECONDS", help="when no further record starts"
    )
    parser.add_argument(
        "--in-input-order", action="store_true", help="write the results in the order of FILE"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="run records again that failed in an earlier run"
    )
    add_json(parser)
    parser.epilog = (
        "The results are kept in a journal in DIR. If the command is interrupted or killed, run it again: it "
        "continues, and no record is answered twice."
    )


def run(options: Namespace, terminal: Terminal) -> int:
    """Run the records without a result, and write the results, the summary and the report."""
    from llmmanager.batch_run.input_records import BatchInputFile
    from llmmanager.batch_run.journal import Journal, JournalError

    if options.lane == "managed":
        raise CommandError(
            "managed batch jobs run in a deployed stack, not on this machine",
            "Use `llmmanager batch submit FILE --lane managed`.",
        )
    manager = parallel_manager_of(options)
    targets = manager.get_underlying_llm_manager()._targets
    if options.lane == "flex":
        _check_flex(targets.required()[0][0])
    model_ids = targets.model_ids
    source = BatchInputFile(options.file, model_ids, cached=options.prompt_cache == "auto")
    checked = check_input(source)
    folder = options.output or options.file.with_name(f"{options.file.stem}-results")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        journal = Journal(folder / "journal.jsonl", checked.digest)
    except JournalError as error:
        raise CommandError(str(error), "Choose another folder with --output.") from None
    with journal:
        return _run(
            options, terminal, manager, source=source, checked=checked, journal=journal, folder=folder
        )


def _check_flex(target: ModelAccess) -> None:
    """Raise CommandError unless the first model of the batch offers the flex tier."""
    from llmmanager.batch_lanes.lane import Lane, LaneUnavailable
    from llmmanager.batch_lanes.lane_text import no_price_text
    from llmmanager.bedrock.pricing import offers_tier

    tier = Lane.FLEX.price_tier
    if not offers_tier(target.model_id, tier, inference_profile_id=target.priced_profile_id):
        problem = LaneUnavailable(Lane.FLEX, no_price_text(target.model_name, Lane.FLEX))
        raise CommandError(str(problem), "Use `--lane onDemand`, or another first model.")


def _run(
    options: Namespace,
    terminal: Terminal,
    manager: ParallelLLMManager,
    *,
    source: Any,
    checked: Any,
    journal: Any,
    folder: Path,
) -> int:
    from llmmanager import Deadline
    from llmmanager.batch_lanes.lane import Lane
    from llmmanager.batch_run.batch_run import BatchRun, RunEnd
    from llmmanager.batch_run.result_files import write_result_files
    from llmmanager.batch_run.run_progress import RunProgress

    batch = BatchRun(
        manager,
        source,
        journal,
        RunProgress(checked.records),
        Deadline.from_value(options.deadline),
        repeat_failed=options.retry_failed,
        shared=checked.shared,
        lane=Lane(options.lane),
        rules=_rules(options),
        max_failed_share=options.max_failed_share,
    )
    if batch.progress.done < checked.records:
        # Without credentials, every record would fail.
        require_credentials(options)
    if batch.progress.done:
        terminal.note(f"continuing: {batch.progress.done:,} of {checked.records:,} records are done")
    with _stop_at_signals(batch, terminal), _shown_progress(batch, terminal):
        _read_quotas(manager, terminal)
        end = batch.run()
    if end is RunEnd.STOPPED:
        terminal.note(
            f"interrupted: {batch.progress.done:,} of {checked.records:,} records are done. "
            "Run the same command again to continue.",
            style=None,
        )
        return ExitStatus.INTERRUPTED
    summary = write_result_files(
        folder,
        journal,
        source,
        checked,
        in_input_order=options.in_input_order,
        stop_reason=_stop_reason(batch, end),
    )
    _print_summary(summary, folder, terminal, as_json=options.json)
    if end is not RunEnd.COMPLETE:
        return ExitStatus.STOPPED
    return ExitStatus.FAILED if summary["failed"] or summary["rejected"] else ExitStatus.SUCCESS


def _rules(options: Namespace) -> ResponseValidationConfig | None:
    if options.response_validation is None:
        return None
    from llmmanager.json_format.codec import InvalidRequest
    from llmmanager.json_format.response_rules import read_rules

    try:
        return read_rules(json_object(options.response_validation, "--response-validation"))
    except InvalidRequest as error:
        raise CommandError(f"--response-validation: {error}") from None


def _stop_reason(batch: BatchRun, end: RunEnd) -> dict[str, Any] | None:
    """Return the error of the records that did not run; None if all did."""
    from llmmanager.batch_run.batch_run import RunEnd

    if end is RunEnd.DEADLINE:
        kind, message = "DeadlinePassed", "the batch's deadline passed before the record was answered"
    elif end is RunEnd.FAILURES:
        failed = f"{batch.failures} of its {batch.progress.records} records had failed"
        kind = "StoppedOnFailure"
        message = f"the batch was stopped by --max-failed-share before the record was started: {failed}"
    else:
        return None
    return {"type": kind, "code": None, "message": message}


def _read_quotas(manager: ParallelLLMManager, terminal: Terminal) -> None:
    """Read the account's quotas. Without the permission for it, they are learned from throttled calls."""
    from llmmanager import LLMManagerError

    try:
        manager.get_underlying_llm_manager().refresh_model_data()
    except LLMManagerError as error:
        terminal.note(f"the quotas are unknown: {error.message}")


@contextmanager
def _stop_at_signals(batch: BatchRun, terminal: Terminal) -> Iterator[None]:
    """Stop the batch at the first Ctrl-C or SIGTERM, and the process at the second one."""

    def stop(*_: object) -> None:
        if stopping.is_set():
            terminal.clear_progress()
            # Results are in the journal as soon as they are known.
            os._exit(ExitStatus.INTERRUPTED)
        stopping.set()
        batch.stop()
        terminal.note("stopping when the running calls end; Ctrl-C again stops at once", style=None)

    stopping = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown_progress(batch: BatchRun, terminal: Terminal) -> Iterator[None]:
    """Show the progress of the batch while the block runs."""
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(_PROGRESS_SECONDS):
            terminal.progress(batch.progress.line(waiting_seconds=batch.waiting_seconds()))

    thread = threading.Thread(target=show, name="progress", daemon=True)
    if terminal.shows_progress:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if terminal.shows_progress:
            thread.join()
        terminal.clear_progress()


def _print_summary(summary: Mapping[str, Any], folder: Path, terminal: Terminal, *, as_json: bool) -> None:
    from llmmanager.batch_report.number_formats import counted, dollars, duration

    if as_json:
        terminal.print_json({**summary, "folder": str(folder)})
        return
    cost = summary["estimatedCostUsd"]
    price = "an unknown price" if cost is None else dollars(cost)
    answered = (
        f"{summary['answered']:,} of {counted(summary['records'], 'record')} answered in "
        f"{duration(summary['wallSeconds'] * 1000)} for {price}"
    )
    terminal.print(", ".join((answered, *savings(summary))), style="bold")
    for name, file, meaning in (
        ("failed", "failed.jsonl", "each has its error, and can be run again"),
        ("rejected", "rejected.jsonl", "each has the reasons"),
    ):
        if summary[name]:
            terminal.print(f"{summary[name]:,} {name}: {folder / file}, {meaning}", style="yellow")
    if reason := summary.get("reason"):
        terminal.print(reason, style="yellow")
    terminal.print(f"results: {folder / 'results.jsonl'}")
    terminal.print(f"report: {folder / summary['report']}")
