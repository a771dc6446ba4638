"""Results of a batch for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

STARTED = datetime(2026, 12, 1, 8, 15, 30, tzinfo=UTC)


@pytest.fixture
def make_answer() -> Callable[..., dict[str, Any]]:
    """Creates the result of an answered record."""

    def make(
        number: int = 0, *, second: float = 0, text: str = "An answer.", **fields: Any
    ) -> dict[str, Any]:
        ended = STARTED + timedelta(seconds=second)
        target = {"model": "amazon.nova-lite-v1:0", "region": "us-east-1"}
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        row = {**target, "attempts": 1, "throttles": 0, "usage": usage, "estimatedCostUsd": 0.25}
        return {
            "recordId": f"record-{number}",
            "status": "answered",
            "modelOutput": {"output": {"message": {"role": "assistant", "content": [{"text": text}]}}},
            **target,
            "attempts": 1,
            "usage": usage,
            "estimatedCostUsd": 0.25,
            "durationMs": 1500.0,
            "latencyMs": 1000.0,
            "startedAt": ended.isoformat(),
            "endedAt": ended.isoformat(),
            "throttles": 0,
            "errorCodes": {},
            "byTarget": [row],
            **fields,
        }

    return make


@pytest.fixture
def make_failure(make_answer: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Creates the result of a failed record."""

    def make(
        number: int = 0, *, code: str = "ValidationException", message: str = "bad", **fields: Any
    ) -> Any:
        error = {"type": code, "code": code, "message": message}
        changed = {"status": "failed", "model": None, "region": None, "error": error, "errorCodes": {code: 1}}
        return {**make_answer(number), **changed, "modelInput": {}, **fields}

    return make


@pytest.fixture
def make_summary() -> Callable[..., Mapping[str, Any]]:
    """Creates the content of summary.json."""

    def make(*, answered: int = 1, failed: int = 0, rejected: int = 0, **fields: Any) -> Mapping[str, Any]:
        return {
            "batchId": "invoices",
            "status": "succeeded",
            "records": answered + failed + rejected,
            "answered": answered,
            "failed": failed,
            "rejected": rejected,
            "attempts": answered + failed,
            "usage": {"inputTokens": 10, "outputTokens": 5},
            "estimatedCostUsd": 0.25,
            "answersWithoutPrice": 0,
            "attemptsWithUnknownUsage": 0,
            "startedAt": STARTED.isoformat(),
            "endedAt": (STARTED + timedelta(seconds=90)).isoformat(),
            "wallSeconds": 90.0,
            **fields,
        }

    return make
