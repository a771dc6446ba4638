"""Estimate what single requests over the HTTP API cost on AWS."""

from __future__ import annotations

from typing import Final

from infra.stack_cost.prices import (
    API_REQUEST_USD,
    GB_SECOND_USD,
    HOURS_PER_MONTH,
    INVOCATION_USD,
    LOG_GB_USD,
    METRIC_MONTH_USD,
    CostLine,
    cost_line,
)

# Constants of the HTTP API. Tests compare them with the template and with a real request.
FUNCTION_MEMORY_MB: Final = 1024
FUNCTION_LOG_BYTES, METRICS = 700, 5
# Estimated: the access log, and Lambda's lines START, END and REPORT.
PLATFORM_LOG_BYTES: Final = 800


def request_cost(
    *, requests: int, latency_seconds: float, targets: int = 1, hours: float = HOURS_PER_MONTH
) -> tuple[CostLine, ...]:
    """Return the cost of a month's requests without tokens, if each is answered at the first attempt.

    Such a request neither reads nor writes a table. A request with an `Idempotency-Key` does.

    Args:
        requests: number of requests to `POST /v1/converse` in the month.
        latency_seconds: average duration of a request.
        targets: number of pairs of a model and a region that answer. Each has its own metrics.
        hours: number of hours with requests. A metric is billed by the hour.
    """
    gb_seconds = requests * latency_seconds * FUNCTION_MEMORY_MB / 1024
    log_gb = requests * (FUNCTION_LOG_BYTES + PLATFORM_LOG_BYTES) / 1e9
    metrics = METRICS * (1 + targets) * hours / HOURS_PER_MONTH
    return (
        cost_line("API Gateway", "requests", requests, API_REQUEST_USD),
        cost_line("Lambda", "GB-seconds", gb_seconds, GB_SECOND_USD),
        cost_line("Lambda", "invocations", requests, INVOCATION_USD),
        cost_line("CloudWatch", "GB of logs", log_gb, LOG_GB_USD),
        cost_line("CloudWatch", "months of a metric", metrics, METRIC_MONTH_USD),
    )
