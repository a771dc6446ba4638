"""Chromium, and reports of batches of several sizes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.report_page import report_page
from tests.browser.devtools import Browser

STARTED = datetime(2026, 12, 1, 8, 15, 30, tzinfo=UTC)
MODELS = ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0")
REGIONS = ("us-east-1", "us-west-2", "ap-southeast-2")
ERRORS = ("ValidationException", "ReadTimeoutError", "InvalidResponseError", "RecordLost")
# A batch of a million records is simulated by repeated results.
DIFFERENT_RESULTS = 10_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the report of a batch with a number of records, and returns its path."""
    folder = tmp_path_factory.mktemp("reports")
    written: dict[Any, Path] = {}

    def write(records: int, *, text: str | None = None) -> Path:
        if (records, text) not in written:
            path = folder / f"{len(written)}.html"
            path.write_bytes(report_page(*simulate(records, text=text)))
            written[records, text] = path
        return written[records, text]

    return write


def simulate(records: int, *, text: str | None = None) -> tuple[dict[str, Any], BatchFigures]:
    """Return the summary and the figures of a batch.

    Args:
        text: every text of the batch; None for usual ones.
    """
    figures = BatchFigures(samples=3)
    results = [_result(number, text) for number in range(min(records, DIFFERENT_RESULTS))]
    for round_ in range(max(1, records // DIFFERENT_RESULTS)):
        ended = (STARTED + timedelta(minutes=round_ * 10)).isoformat()
        for result in results:
            figures.add(result if round_ == 0 else {**result, "endedAt": ended})
    rejected = records // 20
    for line in range(min(rejected, 100)):
        reason = text or "modelInput.messages[0].content: must be a list of content blocks (got a number)"
        start = (
            text or '{"recordId": "ticket-7", "modelInput": {"messages": [{"role": "user", "content": 7}]}}'
        )
        name = text or f"ticket-{line}"
        figures.add_rejected({"line": line * 7 + 1, "recordId": name, "reasons": [reason] * 4, "text": start})
    failed = figures.failed
    summary = {
        "batchId": text or "invoices-2026-11",
        "status": "stopped" if text else "succeeded",
        "reason": text,
        **{
            "records": records + rejected,
            "answered": records - failed,
            "failed": failed,
            "rejected": rejected,
        },
        **{"attempts": records, "throttles": figures.throttles, "wallSeconds": records / 2 + 3},
        "usage": {"inputTokens": records * 400, "outputTokens": records * 150},
        "estimatedCostUsd": sum(totals.cost for totals in figures.models.by_name.values()),
        **{"answersWithoutPrice": records // 50, "attemptsWithUnknownUsage": records // 50},
        "startedAt": STARTED.isoformat(),
        "endedAt": (STARTED + timedelta(seconds=records / 2 + 3)).isoformat(),
        **(_lanes(records, text) if records != 1 else {}),
    }
    return summary, figures


def _lanes(records: int, text: str | None) -> dict[str, Any]:
    """Return the members of a summary about a batch that ran in managed jobs and used the prompt cache."""
    seconds, reason = records * 1.5, text or f"{MODELS[0]} has no price in the flex tier"
    estimates = [
        {
            "lane": lane,
            "records": records,
            "estimatedCostUsd": usd,
            "estimatedSeconds": seconds,
            "possible": why is None,
            "reason": why,
        }
        for lane, usd, why in (
            ("onDemand", 9.1, None),
            ("flex", None, reason),
            (text or "managed", 4.6, None),
        )
    ]
    why = f"{records:,} records in managed batch jobs: about 4.60 USD instead of about 9.10 USD on demand."
    chosen = {"managed": records, "flex": 0, "onDemand": 0}
    by_lane = {
        "managed": {"answered": records, "estimatedCostUsd": 4.5, "savedUsd": 4.5},
        "onDemand": {"answered": 1, "estimatedCostUsd": 0.01, "savedUsd": None},
    }
    return {
        "lanes": {"records": chosen, "estimates": estimates, "explanation": text or why},
        "byLane": by_lane,
        "cache": {"readTokens": records * 300, "writeTokens": 3000, "savedUsd": -0.2},
        "jobs": {
            "number": 3,
            "statuses": {"Completed": 2, text or "Failed": 1},
            "reasons": [text or "no role"],
        },
    }


def _result(number: int, text: str | None) -> dict[str, Any]:
    rng = random.Random(number)
    has_failed, is_throttled = number % 19 == 18, number % 7 == 3
    target = {"model": text or rng.choice(MODELS), "region": text or rng.choice(REGIONS)}
    usage = {"inputTokens": rng.randrange(200, 900), "outputTokens": rng.randrange(50, 300)}
    row = {**target, "attempts": 1, "throttles": 0, "usage": usage, "estimatedCostUsd": rng.random() / 1000}
    throttled = {**row, "throttles": 1, "usage": {"inputTokens": 0}, "estimatedCostUsd": 0.0}
    ended = STARTED + timedelta(seconds=number / 2 + rng.random())
    latency = rng.lognormvariate(7, 0.5)
    code = text or ERRORS[number % len(ERRORS)]
    result = {
        "recordId": text or f"ticket-{number}",
        "status": "failed" if has_failed else "answered",
        "modelOutput": {"output": {"message": {"content": [{"text": text or "The invoice is paid. " * 20}]}}},
        **target,
        **{"attempts": 1 + is_throttled, "durationMs": latency + 40 * is_throttled, "latencyMs": latency},
        **{"startedAt": ended.isoformat(), "endedAt": ended.isoformat(), "throttles": int(is_throttled)},
        "errorCodes": {"ThrottlingException": 1} if is_throttled else {},
        "byTarget": [throttled, row] if is_throttled else [row],
        "team": text or rng.choice(("support", "billing", "")),
    }
    if number % 30 == 29 or text:
        result["validationErrors"] = [text or "jsonSchema: must have the member 'category'"]
    if has_failed:
        message = text or "The model returned the following errors: Input is too long for requested model."
        result |= {"error": {"type": code, "code": code, "message": message}, "errorCodes": {code: 2}}
    return result
