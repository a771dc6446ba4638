"""What the command line prints during a batch on a deployed stack, and at its end."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from llmmanager.cli import batch_watching
from llmmanager.cli.batch_watching import watch
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack
from llmmanager.cli.terminal import Terminal
from tests.command_line import ERASE_LINE, shown

PROGRESS = {"records": 10, "answered": 10, "failed": 0, "rejected": 0}
LANES = {
    "lane": "auto",
    "deadlineSeconds": 43200,
    "records": {"managed": 900, "flex": 0, "onDemand": 100},
    "estimates": [
        {
            "lane": "onDemand",
            "records": 1000,
            "estimatedCostUsd": 8.0,
            "estimatedSeconds": 90,
            "possible": True,
            "reason": "it takes 2 min",
        },
        {
            "lane": "flex",
            "records": 0,
            "estimatedCostUsd": None,
            "estimatedSeconds": 270,
            "possible": False,
            "reason": "no price",
        },
        {
            "lane": "managed",
            "records": 900,
            "estimatedCostUsd": 4.4,
            "estimatedSeconds": 3600,
            "possible": True,
            "reason": None,
        },
    ],
    "explanation": "900 records in managed batch jobs and 100 records on demand.",
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_watching, "_POLL_SECONDS", 0)


class Stack:
    """Answers each request with the same state of a batch, after the states before it."""

    def __init__(self, *before: dict[str, Any], **state: Any) -> None:
        self._states = [self._complete(each) for each in (*before, state)]

    def call(self, method: str, path: str) -> dict[str, Any]:
        assert (method, path) == ("GET", "/v1/batches/nightly")
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    @staticmethod
    def _complete(state: dict[str, Any]) -> dict[str, Any]:
        return {"batchId": "nightly", "status": "succeeded", "progress": PROGRESS, **state}


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(stack: Stack) -> tuple[ExitStatus, list[str]]:
    out = io.StringIO()
    status = watch(cast(DeployedStack, stack), "nightly", Terminal(out, io.StringIO()), as_json=False)
    return status, out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({"progress": {**PROGRESS, "records": None}}, "planning"),
        ({"progress": {**PROGRESS, "records": 2_000, "answered": 10}}, "10 of 2,000 records"),
        (
            {"progress": {"records": 9, "answered": 1, "failed": 2, "rejected": 3, "inManagedJobs": 4}},
            "3 of 9 records, 2 failed, 3 rejected, 4 in managed batch jobs",
        ),
        (
            {"progress": {**PROGRESS, "estimatedEndAt": "2026-01-01T00:00:00+00:00"}},
            "10 of 10 records, 1 s left",
        ),
        ({"progress": {**PROGRESS, "waitingForQuota": {"shards": 1}}}, "10 of 10 records, waiting for quota"),
        ({"status": "stopped"}, "stopped, collecting the results"),
    ],
)
def test_the_progress_of_a_batch_is_one_line(state: dict[str, Any], line: str) -> None:
    screen = Screen()
    running = {"status": "running", **state}
    watch(cast(DeployedStack, Stack(running)), "nightly", Terminal(io.StringIO(), screen, {}), as_json=True)
    assert shown(screen.getvalue().removesuffix(ERASE_LINE)) == f"nightly: {line}"


def test_the_end_of_a_dry_run_shows_the_lanes() -> None:
    counts = {"records": 1_000, "answered": 0, "failed": 0, "rejected": 0}
    status, lines = printed(Stack(status="estimated", dryRun=True, progress=counts, lanes=LANES))
    assert status is ExitStatus.SUCCESS
    assert lines[0] == "1,000 records, 0 rejected"
    assert lines[1].startswith("lane      usable by  cost of all records  longest time")
    assert [line.split() for line in lines[2:5]] == [
        ["onDemand", "1,000", "$8.00", "2", "min", "100", "may", "be", "late:", "it", "takes", "2", "min"],
        ["flex", "0", "-", "-", "0", "not", "possible:", "no", "price"],
        ["managed", "900", "$4.40", "1", "h", "900"],
    ]
    assert lines[5] == LANES["explanation"]


def test_a_dry_run_with_rejected_lines_has_the_exit_status_of_failed_records() -> None:
    counts = {"records": 3, "answered": 0, "failed": 0, "rejected": 1}
    status, _ = printed(Stack(status="estimated", dryRun=True, progress=counts, lanes=LANES))
    assert status is ExitStatus.FAILED


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("stopped", ["Continue it with: llmmanager batch resume nightly"]),
        ("timed_out", ["Continue it with: llmmanager batch resume nightly"]),
        ("failed", []),
    ],
)
def test_a_batch_without_files_that_can_continue_says_how(status: str, advice: list[str]) -> None:
    _, lines = printed(Stack(status=status, error="Stopped through the HTTP API"))
    assert lines[1:] == ["Stopped through the HTTP API", *advice]


def test_the_files_of_a_stopped_batch_are_awaited() -> None:
    status, lines = printed(
        Stack({"status": "running"}, {"status": "stopped"}, status="stopped", results={"report": "s3://b/k"})
    )
    assert status is ExitStatus.STOPPED
    assert lines == [
        "nightly stopped: 10 answered",
        "Get the files with: llmmanager batch fetch nightly",
        "Continue it with: llmmanager batch resume nightly",
    ]


@pytest.mark.parametrize(
    ("progress", "status", "start"),
    [
        ({}, ExitStatus.SUCCESS, "nightly succeeded: 10 answered"),
        ({"failed": 1}, ExitStatus.FAILED, "nightly ended with failures: 10 answered, 1 failed"),
        ({"rejected": 2}, ExitStatus.FAILED, "nightly ended with failures: 10 answered, 2 rejected"),
    ],
)
def test_the_words_for_the_end_agree_with_the_exit_status(
    progress: dict[str, int], status: ExitStatus, start: str
) -> None:
    assert printed(Stack(progress={**PROGRESS, **progress})) == (status, [start])


def test_the_end_of_a_batch_shows_how_many_records_had_no_answer_in_their_lane() -> None:
    by_lane = {"managed": {"answered": 899, "savedUsd": 2.5}, "onDemand": {"answered": 101, "savedUsd": None}}
    summary = {"wallSeconds": 90, "estimatedCostUsd": 2.5, "byLane": by_lane, "lanes": LANES}
    _, lines = printed(Stack(summary=summary))
    assert lines[1:] == ["Not answered in the lane that was planned: 1 of 900 records in managed batch jobs."]


@pytest.mark.parametrize(
    ("saved", "end"),
    [(1.28, "$2.50, $1.28 less than without the prompt cache"), (0.0, "$2.50"), (-0.1, "$2.50")],
)
def test_the_end_of_a_batch_shows_what_the_prompt_cache_saved(saved: float, end: str) -> None:
    summary = {"wallSeconds": 90, "estimatedCostUsd": 2.5, "cache": {"savedUsd": saved}}
    _, lines = printed(Stack(summary=summary))
    assert lines[0].endswith(f"1 min 30 s, {end}")


@pytest.mark.parametrize(
    ("by_lane", "end"),
    [
        ({"managed": {"savedUsd": 2.0}, "flex": {"savedUsd": 0.5}, "onDemand": {"savedUsd": None}}, True),
        ({"onDemand": {"savedUsd": None}}, False),
        (None, False),
    ],
)
def test_the_end_of_a_batch_shows_what_its_lanes_saved(by_lane: dict[str, Any] | None, end: bool) -> None:
    _, lines = printed(Stack(summary={"wallSeconds": 90, "estimatedCostUsd": 2.5, "byLane": by_lane}))
    assert lines[0].startswith("nightly succeeded: 10 answered, 1 min 30 s, $2.50")
    assert lines[0].endswith("$2.50 less than on demand") == end
