"""Report once in each period that 80 % and 100 % of a budget are used."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.contract import DetailType, Metric
from lambdas.shared.event_bus import publish
from lambdas.shared.function_log import logger
from lambdas.shared.metrics import put_metrics
from lambdas.shared.time_text import format_time
from lambdas.usage.money import dollars
from lambdas.usage.period_limit import PeriodLimit, PeriodSpending
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_items import claim_report, mark_reported, release_report
from lambdas.usage.usage_table import UsageTable

THRESHOLDS: Final = (80, 100)
"""In percent of the limit. 100 % is also reached when the budget does not allow a call."""
_PAUSE_SECONDS: Final = 30.0
_CLAIM_SECONDS: Final = 30.0
"""More than an event bus needs to accept an event."""


def report_spending(client: Any, table: str, limits: Sequence[PeriodLimit]) -> None:
    """Read what is spent in the periods of limits, and report thresholds. It never raises.

    Args:
        client: a DynamoDB client of botocore.
        table: name of the usage table.
    """
    try:
        spending = UsageTable(client, table).spending(limits)
    except (BotoCoreError, ClientError, UsageTableUnavailable) as error:
        logger.warning("budget thresholds not read", extra={"error_type": type(error).__name__})
        return
    report_thresholds(client, table, spending)


def report_thresholds(
    client: Any, table: str, spending: Iterable[PeriodSpending], *, is_refused: bool = False
) -> None:
    """Send an event and write a metric for each threshold that is reached and was not reported.

    It never raises: a failure is logged, and a call some time later tries again.

    Args:
        client: a DynamoDB client of botocore.
        table: name of the usage table.
        spending: what is spent in the periods of budgets.
        is_refused: whether these budgets did not allow a call.
    """
    for period in spending:
        reached = period.spent * 100 // max(period.limit.limit, 1)
        for threshold in THRESHOLDS:
            # A call that may cost more than the whole limit says nothing about the lower threshold.
            is_reached = reached >= threshold or (is_refused and threshold == max(THRESHOLDS))
            if not is_reached or period.reported.get(threshold) == period.limit.limit:
                continue
            if time.monotonic() < _pause().until:
                return
            try:
                _report(client, table, period, threshold)
            except Exception as error:
                _pause().until = time.monotonic() + _PAUSE_SECONDS
                details = {"error_type": type(error).__name__, "budget": _detail(period, threshold)}
                logger.warning("budget threshold not reported", extra=details)


@dataclass(slots=True)
class _Pause:
    """Until when nothing is reported, after a failure, so that not every call waits for the event bus."""

    until: float = 0.0


@cache
def _pause() -> _Pause:
    return _Pause()


def _report(client: Any, table: str, period: PeriodSpending, threshold: int) -> None:
    # Of concurrent calls, the one with the claim reports. If it is killed, another reports after the claim.
    now = time.time()
    claim = claim_report(period.limit, threshold, now=now, until=now + _CLAIM_SECONDS)
    try:
        client.update_item(TableName=table, **claim)
    except client.exceptions.ConditionalCheckFailedException:
        return
    detail = _detail(period, threshold)
    try:
        publish(DetailType.BUDGET_THRESHOLD, json.dumps(detail))
    except Exception:
        client.update_item(TableName=table, **release_report(period.limit, threshold))
        raise
    client.update_item(TableName=table, **mark_reported(period.limit, threshold))
    put_metrics({Metric.BUDGET_THRESHOLD: 1}, by={}, properties=detail)


def _detail(period: PeriodSpending, threshold: int) -> dict[str, Any]:
    scope, name = period.limit.scope
    return {
        "scope": scope.value,
        "name": name,
        "period": period.limit.period.value,
        "threshold": threshold,
        "limit": dollars(period.limit.limit),
        "spent": dollars(period.spent),
        "reserved": dollars(period.reserved),
        "resetsAt": format_time(period.limit.resets_at),
    }
