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
    READ_UNIT_USD,
    WRITE_UNIT_USD,
    CostLine,
    cost_line,
)

# Constants of the HTTP API. Tests compare them with the template and with a real request.
FUNCTION_MEMORY_MB: Final = 1024
FUNCTION_LOG_BYTES, METRICS = 700, 5
# Estimated: the access log, and Lambda's lines START, END and REPORT.
PLATFORM_LOG_BYTES: Final = 800
# Of an item of up to 1 KB in a transaction: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
TRANSACTION_WRITE_UNITS: Final = 2
# Of an item of up to 4 KB, also if it does not exist. A call reads its budgets consistently, and what they
# have spent not.
CONSISTENT_READ_UNITS, READ_UNITS = 1.0, 0.5


def request_cost(
    *,
    requests: int,
    latency_seconds: float,
    targets: int = 1,
    hours: float = HOURS_PER_MONTH,
    scopes: int = 2,
    limits: int = 0,
) -> tuple[CostLine, ...]:
    """Return the cost of a month's requests without tokens, if each is answered at the first attempt.

    A request with an `Idempotency-Key` also reads and writes the request table, which is not included.

    Args:
        requests: number of requests to `POST /v1/converse` in the month.
        latency_seconds: average duration of a request.
        targets: number of pairs of a model and a region that answer. Each has its own metrics.
        hours: number of hours with requests. A metric is billed by the hour.
        scopes: number of scopes whose budgets a request reads: its caller, its team, and its API key.
        limits: number of limits of these budgets. A budget can have two, per day and per month.
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
        *_ledger_cost(requests, scopes=scopes, limits=limits),
    )


def _ledger_cost(requests: int, *, scopes: int, limits: int) -> tuple[CostLine, ...]:
    """Return the cost of counting usage: one write after the answer, or two for a call with a budget."""
    read = scopes * CONSISTENT_READ_UNITS + limits * READ_UNITS
    # The usage, and, before and after a call with a budget, each limit and the reservation.
    written = 1 + (2 * (limits + 1) if limits else 0)
    return (
        cost_line("DynamoDB", "read units", requests * read, READ_UNIT_USD),
        cost_line("DynamoDB", "write units", requests * written * TRANSACTION_WRITE_UNITS, WRITE_UNIT_USD),
    )
