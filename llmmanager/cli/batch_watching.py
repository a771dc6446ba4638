"""Follows a batch of a deployed stack until it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmmanager.cli.batch_savings import savings
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.lane_table import print_lanes
from llmmanager.cli.stack_api import DeployedStack
from llmmanager.cli.terminal import Terminal

_POLL_SECONDS = 2.0


def watch(stack: DeployedStack, batch_id: str, terminal: Terminal, *, as_json: bool) -> ExitStatus:
    """Show the progress of a batch until it ends, print its summary, and return the exit status.

    Ctrl-C ends the command, not the batch.
    """
    while (state := stack.call("GET", f"/v1/batches/{batch_id}"))["status"] == "running":
        terminal.progress(_line(state))
        time.sleep(_POLL_SECONDS)
    terminal.clear_progress()
    if as_json:
        terminal.print_json(state)
    elif state.get("dryRun") and state.get("lanes"):
        print_lanes(state["lanes"], terminal)
        terminal.note("This is a dry run: no record ran.")
    else:
        _print_end(state, terminal)
    if state["status"] != "succeeded":
        return ExitStatus.STOPPED
    progress = state["progress"]
    return ExitStatus.FAILED if progress["failed"] or progress["rejected"] else ExitStatus.SUCCESS


def next_command(batch_id: str, status: str) -> str | None:
    """Return what to do with a batch without files: watch it if it runs, resume it if it was stopped."""
    if status == "running":
        return f"Follow it with: llmmanager batch watch {batch_id}"
    if status in {"stopped", "timed_out"}:
        return f"Continue it with: llmmanager batch resume {batch_id}"
    return None


def _line(state: Mapping[str, Any]) -> str:
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


def _print_end(state: Mapping[str, Any], terminal: Terminal) -> None:
    from llmmanager.batch_report.lane_section import left_by_lanes
    from llmmanager.batch_report.number_formats import dollars, duration

    progress, summary = state["progress"], state.get("summary") or {}
    parts = [f"{state['batchId']} {state['status']}: {progress['answered']:,} answered"]
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
    if state.get("results"):
        terminal.print(f"Get the files with: llmmanager batch fetch {state['batchId']}")
    elif advice := next_command(state["batchId"], state["status"]):
        terminal.print(advice)
