"""The rows of usage of one call, as sums over its attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from lambdas.usage.caller import Caller
from lambdas.usage.money import nano_dollars
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from llmmanager import BedrockResponse, RequestAttempt
from llmmanager.bedrock.models.attempt_guard import PlannedAttempt

Plans = Mapping[int, PlannedAttempt]
"""The attempts that were planned, by their index in the attempts of the call."""
UsageRows = Mapping[UsageKey, UsageCounts]


def usage_rows(
    response: BedrockResponse, caller: Caller, planned: Plans, *, has_ended: bool = True
) -> UsageRows:
    """Return what a call that has ended used, by the UTC day on which each attempt started, and by model.

    Args:
        response: the response of the call, also of a failed one.
        planned: for the upper bounds of attempts with unknown token counts. Attempts that are not in it have
            no bounds.
        has_ended: whether the request counts; False for one that runs again.

    Returns:
        The rows with counts. A model that only rejected the request has none.
    """
    attempts = response.attempts
    rows: defaultdict[UsageKey, UsageCounts] = defaultdict(UsageCounts)
    for index, attempt in enumerate(attempts):
        key = _key(caller, attempt.model_id, attempt.start_time)
        rows[key] += attempt_counts(attempt, planned.get(index))
    if attempts and has_ended:
        last = _last_attempt(attempts, response.model_used)
        request = UsageCounts(requests=1, failures=int(not response.success))
        rows[_key(caller, last.model_id, last.start_time)] += request
    return {key: counts for key, counts in rows.items() if counts != UsageCounts()}


def add_rows(total: dict[UsageKey, UsageCounts], rows: UsageRows) -> None:
    """Add rows to a total."""
    for key, counts in rows.items():
        total[key] = total.get(key, UsageCounts()) + counts


def sum_rows(one: UsageRows, other: UsageRows) -> UsageRows:
    """Return the sums of rows."""
    total = dict(one)
    add_rows(total, other)
    return total


def lost_call_rows(caller: Caller, planned: Plans, *, now: datetime) -> UsageRows:
    """Return what a call may have used that ended with an unexpected error and has no response.

    Its last planned attempt may have been billed.

    Args:
        now: the time at which the call ended.
    """
    if not planned:
        return {}
    last = planned[max(planned)]
    rows = dict(usage_rows(BedrockResponse(success=False, attempts=list(last.attempts)), caller, planned))
    request = UsageCounts(requests=0 if last.attempts else 1, failures=0 if last.attempts else 1)
    key = _key(caller, last.model_id, now)
    rows[key] = rows.get(key, UsageCounts()) + unconfirmed(last) + request
    return rows


def attempt_counts(attempt: RequestAttempt, plan: PlannedAttempt | None) -> UsageCounts:
    """Return what an attempt that has ended used.

    Args:
        plan: for its upper bounds if its token counts are unknown; None without bounds.
    """
    usage = attempt.usage
    if usage is None:
        return unconfirmed(plan) if plan is not None else UsageCounts(unconfirmed_attempts=1)
    price = attempt.estimated_cost_usd
    is_unpriced = price is None and any(usage.values())
    return UsageCounts(
        input_tokens=usage.get("inputTokens", 0),
        output_tokens=usage.get("outputTokens", 0),
        cache_read_tokens=usage.get("cacheReadInputTokens", 0),
        cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
        cost=nano_dollars(price or 0),
        unpriced=int(is_unpriced),
        unconfirmed_cost=_max_cost(plan) if is_unpriced and plan is not None else 0,
    )


def unconfirmed(plan: PlannedAttempt) -> UsageCounts:
    """Return the upper bounds of an attempt."""
    return UsageCounts(
        unconfirmed_attempts=1,
        unconfirmed_input_tokens=plan.max_input_tokens,
        unconfirmed_output_tokens=plan.max_output_tokens,
        unconfirmed_cost=_max_cost(plan),
    )


def _max_cost(plan: PlannedAttempt) -> int:
    return nano_dollars(plan.max_cost_usd or 0)


def _last_attempt(attempts: Sequence[RequestAttempt], model: str | None) -> RequestAttempt:
    """Return the last attempt of the model that answered, or else the last of all."""
    return next((attempt for attempt in reversed(attempts) if attempt.model_id == model), attempts[-1])


def _key(caller: Caller, model: str, time: datetime) -> UsageKey:
    return UsageKey(day=utc_day(time), team=caller.team, caller=caller.id, key_id=caller.key_id, model=model)
