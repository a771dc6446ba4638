"""The rows of usage of a call, from its attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lambdas.usage.caller import Caller
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_rows import lost_call_rows, usage_rows
from llmmanager import BedrockResponse, PlannedAttempt, RequestAttempt

ADA = Caller("ada", "search", "key1")
MONDAY = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
TUESDAY = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 18,
    "cacheReadInputTokens": 2,
    "cacheWriteInputTokens": 1,
}
NOTHING = dict.fromkeys(USAGE, 0)


@dataclass(frozen=True)
class Bounds:
    input_tokens: int = 600
    output_tokens: int = 100
    cost_usd: float | None = 0.5


def attempt(
    model: str = "lite",
    *,
    usage: Mapping[str, int] | None,
    cost: float | None = None,
    start: datetime = TUESDAY,
    success: bool = True,
) -> RequestAttempt:
    return RequestAttempt(
        model_id=model,
        region="us-east-1",
        access_method="on_demand",
        attempt_number=1,
        start_time=start,
        end_time=start,
        success=success,
        usage=dict(usage) if usage is not None else None,
        estimated_cost_usd=cost,
    )


def plan(model: str = "lite", attempts: Sequence[RequestAttempt] = ()) -> PlannedAttempt:
    return PlannedAttempt(model, "us-east-1", "on_demand", None, None, tuple(attempts), Bounds())  # type: ignore[arg-type]


def response(*attempts: RequestAttempt, model: str | None = "lite", success: bool = True) -> BedrockResponse:
    return BedrockResponse(success=success, model_used=model, attempts=list(attempts))


def key(model: str = "lite", day: str = "2026-12-01") -> UsageKey:
    return UsageKey(day=day, team="search", caller="ada", key_id="key1", model=model)


def test_an_answer_is_a_request_with_its_tokens_and_its_cost_in_nano_dollars() -> None:
    assert usage_rows(response(attempt(usage=USAGE, cost=0.000_001_5)), ADA, {}) == {
        key(): UsageCounts(
            requests=1,
            input_tokens=10,
            output_tokens=5,
            cache_read_tokens=2,
            cache_write_tokens=1,
            cost=1_500,
        )
    }


def test_each_paid_model_and_day_has_a_row_and_the_request_counts_at_the_model_that_answered() -> None:
    attempts = (
        attempt("lite", usage=NOTHING, cost=0.0, start=MONDAY, success=False),
        attempt("pro", usage=USAGE, cost=1e-9, start=MONDAY, success=False),
        attempt("pro", usage=USAGE, cost=2e-9, start=TUESDAY),
    )
    rows = usage_rows(response(*attempts, model="pro"), ADA, {})
    assert {row: (counts.requests, counts.cost) for row, counts in rows.items()} == {
        key("pro", "2026-11-30"): (0, 1),
        key("pro", "2026-12-01"): (1, 2),
    }


def test_a_failed_request_counts_at_the_last_model_that_was_tried() -> None:
    attempts = attempt("lite", usage=NOTHING), attempt("pro", usage=NOTHING)
    rows = usage_rows(response(*attempts, model=None, success=False), ADA, {})
    assert rows == {key("pro"): UsageCounts(requests=1, failures=1)}


def test_unknown_token_counts_are_unconfirmed_at_the_bounds_of_their_attempt() -> None:
    lost, answered = attempt(usage=None), attempt(usage=USAGE, cost=1e-9)
    (counts,) = usage_rows(response(lost, answered), ADA, {0: plan(), 1: plan()}).values()
    assert (counts.unconfirmed_attempts, counts.unconfirmed_cost, counts.cost) == (1, 500_000_000, 1)
    assert (counts.unconfirmed_input_tokens, counts.unconfirmed_output_tokens) == (600, 100)
    assert (counts.max_cost, counts.max_input_tokens, counts.max_output_tokens) == (500_000_001, 613, 105)


def test_an_attempt_without_a_plan_is_unconfirmed_without_bounds() -> None:
    (counts,) = usage_rows(response(attempt(usage=None)), ADA, {}).values()
    assert counts == UsageCounts(requests=1, unconfirmed_attempts=1)


def test_an_answer_without_a_price_is_counted_as_unpriced_and_charged_at_its_bound() -> None:
    (counts,) = usage_rows(response(attempt(usage=USAGE)), ADA, {0: plan()}).values()
    assert (counts.unpriced, counts.cost, counts.max_cost) == (1, 0, 500_000_000)
    (rejected,) = usage_rows(response(attempt(usage=NOTHING)), ADA, {0: plan()}).values()
    assert (rejected.unpriced, rejected.max_cost) == (0, 0)


def test_a_call_without_attempts_has_no_rows() -> None:
    assert usage_rows(response(success=False, model=None), ADA, {}) == {}
    assert lost_call_rows(ADA, {}, now=TUESDAY) == {}


def test_a_call_without_a_response_may_have_been_billed_for_its_last_attempt() -> None:
    first = attempt(usage=USAGE, cost=1e-9, start=MONDAY, success=False)
    planned = {0: plan(), 1: plan("pro", [first])}
    rows = lost_call_rows(ADA, planned, now=TUESDAY)
    assert rows[key("lite", "2026-11-30")].cost == 1
    assert rows[key("pro", "2026-12-01")].unconfirmed_cost == 500_000_000
    total = sum(rows.values(), UsageCounts())
    assert (total.requests, total.failures) == (1, 1)
