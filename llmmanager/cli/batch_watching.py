"""Follows a batch of a deployed stack until it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from llmmanager.cli.batch_savings import savings
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.lane_table import print_lanes
from llmmanager.cli.stack_api import DeployedStack
from llmmanager.cli.terminal import Terminal

_POLL_SECONDS = 2.0
# The files of a batch that was stopped, failed or timed out follow its end. Most of them are small.
_POLLS_FOR_FILES = 15
_COMPLETE = frozenset({"succeeded", "estimated"})


def watch(stack: DeployedStack, batch_id: str, terminal: Terminal, *, as_json: bool) -> ExitStatus:
    """Show the progress of a batch until it ends, print its summary, and return the exit status.

    Ctrl-C ends the command, not the batch.
    """
    polls_for_files = 0
    while (state := stack.call("GET", f"/v1/batches/{batch_id}"))["status"] == "running" or (
        _has_no_files_yet(state) and polls_for_files < _POLLS_FOR_FILES
    ):
        polls_for_files += state["status"] != "running"
        terminal.progress(_line(state))
        time.sleep(_POLL_SECONDS)
    terminal.clear_progress()
    if as_json:
        terminal.print_json(state)
    elif state["status"] == "estimated":
        _print_estimate(state, terminal)
    else:
        _print_end(state, terminal)
    if state["status"] not in _COMPLETE:
        return ExitStatus.STOPPED
    progress = state["progress"]
    return ExitStatus.FAILED if progress["failed"] or progress["rejected"] else ExitStatus.SUCCESS


def next_commands(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield what can be done with a batch: watch it, download its files, resume it."""
    batch_id, status = state["batchId"], state["status"]
    if status == "running":
        yield f"Follow it with: llmmanager batch watch {batch_id}"
    if state.get("results"):
        yield f"Get the files with: llmmanager batch fetch {batch_id}"
    if status in {"stopped", "timed_out"}:
        yield f"Continue it with: llmmanager batch resume {batch_id}"


def _outcome(state: Mapping[str, Any]) -> str:
    """Return how the batch ended, in words that agree with the exit status."""
    progress = state["progress"]
    if state["status"] == "succeeded" and (progress["failed"] or progress["rejected"]):
        return "ended with failures"
    return str(state["status"]).replace("_", " ")


def _has_no_files_yet(state: Mapping[str, Any]) -> bool:
    """Whether results and report of a batch that was stopped, failed or timed out are still to be written."""
    is_planned = state["progress"]["records"] is not None
    return state["status"] not in _COMPLETE and is_planned and not state.get("results")


def _line(state: Mapping[str, Any]) -> str:
    if state["status"] != "running":
        return f"{state['batchId']}: {_outcome(state)}, collecting the results"
    progress = state["progress"]
    if progress["records"] is None:
        return f"{state['batchId']}: planning"
    parts = [f"{progress['answered'] + progress['failed']:,} of {progress['records']:,} records"]
    if progress["failed"]:
        parts.append(f"{progress['failed']:,} failed")
    if progress["rejected"]:
        parts.append(f"{progress['rejected']:,} rejected")
    if in_jobs := progress.get("inManagedJobs"):
        parts.append(f"{in_jobs:,} in managed batch jobs")
    if end := progress.get("estimatedEndAt"):
        parts.append(f"{_time_left(end)} left")
    if progress.get("waitingForQuota"):
        parts.append("waiting for quota")
    return f"{state['batchId']}: {', '.join(parts)}"


def _time_left(end: str) -> str:
    from llmmanager.batch_report.number_formats import duration

    seconds = (datetime.fromisoformat(end) - datetime.now(UTC)).total_seconds()
    return duration(max(round(seconds), 1) * 1000)


def _print_estimate(state: Mapping[str, Any], terminal: Terminal) -> None:
    from llmmanager.batch_report.number_formats import counted

    progress = state["progress"]
    terminal.print(
        f"{counted(progress['records'], 'record')}, {progress['rejected']:,} rejected", style="bold"
    )
    print_lanes(state["lanes"], terminal)
    terminal.note("This is a dry run: no record ran.")


def _print_end(state: Mapping[str, Any], terminal: Terminal) -> None:
    from llmmanager.batch_report.lane_section import left_by_lanes
    from llmmanager.batch_report.number_formats import dollars, duration

    progress, summary = state["progress"], state.get("summary") or {}
    parts = [f"{state['batchId']} {_outcome(state)}: {progress['answered']:,} answered"]
    parts += [f"{progress[name]:,} {name}" for name in ("failed", "rejected") if progress[name]]
    if summary:
        parts.append(duration(summary["wallSeconds"] * 1000))
        cost = summary["estimatedCostUsd"]
        parts.append("price unknown" if cost is None else dollars(cost))
        parts += savings(summary)
    terminal.print(", ".join(parts), style="bold")
    if left := left_by_lanes(summary):
        terminal.print(left)
    if reason := summary.get("reason") or state.get("error"):
        terminal.print(str(reason), style="yellow")
    for advice in next_commands(state):
        terminal.print(advice)
