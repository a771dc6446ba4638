"""The spending of shards: chunks of a budget that the records of a worker share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from lambdas.usage.budget import Budget, Period
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.shard_spending import NotReserved, ShardSpending
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts
from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ParallelLLMManager,
    ParallelProcessingConfig,
    PlannedAttempt,
    RequestAttempt,
)
from llmmanager.testing import FakeBedrock
from tests.dynamodb_server import LOST, error_answer
from tests.integration.lambdas.usage.accounts import ADA, Accounts, History, planned_attempt, team_budget
from tests.waiting import wait_until

RECORDS = 200
# What a record of this test may cost and does cost, in nano-dollars.
BOUND, COST = 61_200, 23_520
LIMIT = RECORDS // 2 * COST
NEVER = threading.Event()


def new_shard(accounts: Accounts, *budgets: Budget, patience: float = 0.0, calls: int = 8) -> ShardSpending:
    return ShardSpending(
        ADA,
        ledger=accounts.ledger,
        find_budgets=lambda: budgets,
        batch_id="batch-1",
        calls_at_once=calls,
        patience=patience,
        now=accounts.time,
    )


def requests(count: int) -> list[BedrockConverseRequest]:
    return [
        BedrockConverseRequest(
            messages="What is the capital of France?",
            inference_config={"maxTokens": 100},
            request_id=f"record-{number}",
        )
        for number in range(count)
    ]


def run(spending: ShardSpending, records: Iterable[BedrockConverseRequest]) -> list[BedrockResponse]:
    """Run the records of a shard as a worker does, and return their responses in order of completion."""
    manager = ParallelLLMManager(
        ["Nova Lite"], ["us-east-1"], parallel_config=ParallelProcessingConfig(max_concurrent_requests=8)
    )
    found = []
    with spending:
        for request, response in manager.iter_responses(records, before_attempt=spending.guard(NEVER)):
            spending.end(str(request.request_id), response)
            found.append(response)
    manager.close()
    return found


def writes(accounts: Accounts) -> int:
    return [operation for operation, _ in accounts.server.requests].count("TransactWriteItems")


def plan(record_id: str, usd: float, attempts: Sequence[RequestAttempt] = ()) -> PlannedAttempt:
    return replace(planned_attempt(cost_usd=usd, attempts=attempts), request_id=record_id)


def answer(usd: float, *, at: datetime) -> BedrockResponse:
    """Return the response of a call with one attempt."""
    attempt = RequestAttempt(
        "model",
        "us-east-1",
        access_method="on_demand",
        start_time=at,
        end_time=at,
        attempt_number=1,
        success=True,
        usage={"inputTokens": 100, "outputTokens": 20},
        estimated_cost_usd=usd,
    )
    return BedrockResponse(success=True, attempts=[attempt])


def test_half_of_a_shard_is_answered_with_a_budget_for_half_of_it(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Callable[[], UsageCounts]
) -> None:
    budget = team_budget(day=LIMIT)
    history = History(accounts, budget)

    responses = run(new_shard(accounts, budget), requests(RECORDS))

    answered = [response for response in responses if response.success]
    refused = [response for response in responses if isinstance(response.error, BudgetExceeded)]
    assert len(answered) + len(refused) == len(responses) == RECORDS
    assert not history.was_exceeded
    # Of the budget, less is left than a record may cost.
    [state] = accounts.spending(budget)
    assert state.reserved == 0
    assert 0 <= state.left < BOUND
    assert len(answered) > (LIMIT - BOUND) // COST
    assert accounts.total() == replace(billed(), requests=len(answered))
    assert accounts.leases() == []
    # Most writes are for the last records of the budget, when a chunk is one record. Refused ones have none.
    assert writes(accounts) < len(answered)


def test_a_large_budget_needs_few_writes(accounts: Accounts, fake_bedrock: FakeBedrock) -> None:
    budget = team_budget(day=10**9, month=10**10)

    responses = run(new_shard(accounts, budget), requests(RECORDS))

    assert all(response.success for response in responses)
    assert writes(accounts) < RECORDS / 10
    assert [state.reserved for state in accounts.spending(budget)] == [0, 0]


def test_workers_share_a_small_budget_to_its_end(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Callable[[], UsageCounts]
) -> None:
    """A worker waits for what others have reserved, and its records do not fail while others use it."""
    budget = team_budget(day=LIMIT)
    history = History(accounts, budget)

    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(run, new_shard(accounts, budget, patience=60), requests(RECORDS // 4))
            for _ in range(4)
        ]
        responses = [response for future in runs for response in future.result()]

    assert len(responses) == RECORDS
    assert not history.was_exceeded
    [state] = accounts.spending(budget)
    assert (state.reserved, accounts.leases()) == (0, [])
    assert state.left < BOUND
    assert accounts.total().cost == billed().cost == state.committed


def test_a_shard_without_a_budget_is_counted_in_one_write(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Callable[[], UsageCounts]
) -> None:
    run(new_shard(accounts), requests(20))

    assert writes(accounts) == 1
    assert accounts.total() == replace(billed(), requests=20)


def in_background(work: Callable[[], Any]) -> Future[Any]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def test_a_record_waits_for_what_a_record_in_progress_returns(accounts: Accounts) -> None:
    spending = new_shard(accounts, team_budget(day=1_500))
    spending.before_attempt(plan("first", 1e-6), stop=NEVER)

    second = in_background(partial(spending.before_attempt, plan("second", 1e-6), stop=NEVER))
    wait_until(lambda: spending._waiting)
    spending.end("first", answer(0.4e-6, at=accounts.time.now))

    second.result()
    spending.end("second", answer(0.4e-6, at=accounts.time.now))
    spending.settle()
    assert accounts.total().cost == 800


def test_a_record_that_waits_for_a_budget_ends_with_the_run(accounts: Accounts) -> None:
    spending = new_shard(accounts, team_budget(day=1_500))
    stop = threading.Event()
    spending.before_attempt(plan("first", 1e-6), stop=stop)

    second = in_background(partial(spending.before_attempt, plan("second", 1e-6), stop=stop))
    wait_until(lambda: spending._waiting)
    stop.set()

    with pytest.raises(NotReserved):
        second.result()


def test_a_large_record_is_refused_and_a_small_one_after_it_is_not(accounts: Accounts) -> None:
    spending = new_shard(accounts, team_budget(day=1_000))

    with pytest.raises(BudgetExceeded, match="daily budget of team 'search'"):
        spending.before_attempt(plan("large", 2e-6), stop=NEVER)
    before = writes(accounts)
    with pytest.raises(BudgetExceeded):
        spending.before_attempt(plan("large as well", 2e-6), stop=NEVER)
    assert writes(accounts) == before
    spending.before_attempt(plan("small", 0.5e-6), stop=NEVER)


def test_a_second_attempt_of_a_record_draws_only_what_it_may_cost_in_addition(accounts: Accounts) -> None:
    spending = new_shard(accounts, team_budget(day=2_000))
    spending.before_attempt(plan("record", 1e-6), stop=NEVER)
    paid = answer(0.6e-6, at=accounts.time.now)

    spending.before_attempt(plan("record", 1e-6, paid.attempts), stop=NEVER)
    with pytest.raises(BudgetExceeded):
        spending.before_attempt(plan("record", 1e-6, [*paid.attempts, *paid.attempts]), stop=NEVER)


def test_a_record_is_charged_to_the_day_on_which_it_starts(accounts: Accounts) -> None:
    budget = team_budget(day=10_000)
    midnight = datetime(2026, 12, 2, tzinfo=UTC)
    accounts.time.now = midnight - timedelta(seconds=1)
    spending = new_shard(accounts, budget)
    spending.before_attempt(plan("evening", 1e-6), stop=NEVER)
    before = accounts.time.now
    accounts.time.now = midnight + timedelta(seconds=1)
    spending.before_attempt(plan("morning", 1e-6), stop=NEVER)

    spending.end("evening", answer(0.3e-6, at=before))
    spending.end("morning", answer(0.5e-6, at=accounts.time.now))
    spending.settle()

    [morning] = accounts.spending(budget)
    accounts.time.now = before
    [evening] = accounts.spending(budget)
    assert (evening.committed, evening.reserved) == (300, 0)
    assert (morning.committed, morning.reserved) == (500, 0)
    assert {key.day: counts.cost for key, counts in accounts.rows().items()} == {
        "2026-12-01": 300,
        "2026-12-02": 500,
    }
    assert set(morning.limit.period_key.split(":")) == {Period.DAY.value, "2026-12-02"}


def test_a_changed_budget_applies_to_the_next_chunk(accounts: Accounts) -> None:
    budgets = [team_budget(day=1_000)]
    spending = ShardSpending(
        ADA,
        ledger=accounts.ledger,
        find_budgets=lambda: budgets,
        batch_id="batch-1",
        calls_at_once=1,
        patience=0,
        now=accounts.time,
    )
    spending.before_attempt(plan("first", 1e-6), stop=NEVER)
    budgets[:] = [team_budget(day=1_999)]
    spending.end("first", answer(1e-6, at=accounts.time.now))
    with pytest.raises(BudgetExceeded) as raised:
        spending.before_attempt(plan("second", 1e-6), stop=NEVER)
    assert raised.value.limit == 1_999


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_renewal_with_an_unknown_outcome_is_settled_exactly(accounts: Accounts, is_applied: bool) -> None:
    budget = team_budget(day=10_000)
    accounts = replace(accounts, ledger=replace(accounts.ledger, seconds=0.0))
    spending = new_shard(accounts, budget, calls=1)
    for number in range(2):
        spending.before_attempt(plan(f"early-{number}", 1e-6), stop=NEVER)
        spending.end(f"early-{number}", answer(0.9e-6, at=accounts.time.now))
    spending.before_attempt(plan("in progress", 0.1e-6), stop=NEVER)
    if is_applied:
        accounts.server.after = lambda operation, _: LOST if operation == "TransactWriteItems" else None
    else:
        failure = error_answer("InternalServerError", status=500)
        accounts.server.before = lambda operation, _: failure if operation == "TransactWriteItems" else None
    with pytest.raises(UsageTableUnavailable):
        spending.before_attempt(plan("late", 2e-6), stop=NEVER)
    accounts.server.after = accounts.server.before = lambda *_: None

    assert spending.is_closed
    spending.end("in progress", answer(0.05e-6, at=accounts.time.now))
    spending.settle()

    assert accounts.total().cost == 1_850
    assert [(state.committed, state.reserved) for state in accounts.spending(budget)] == [(1_850, 0)]
    assert accounts.leases() == []


def test_no_record_is_sent_after_the_table_was_unavailable(accounts: Accounts) -> None:
    accounts = replace(accounts, ledger=replace(accounts.ledger, seconds=0.0))
    spending = new_shard(accounts, team_budget(day=10_000))
    accounts.server.before = lambda *_: error_answer("InternalServerError", status=500)

    for record_id in ("first", "second"):
        with pytest.raises(UsageTableUnavailable):
            spending.before_attempt(plan(record_id, 1e-6), stop=NEVER)
    assert spending.is_closed


def test_a_record_without_an_end_counts_at_its_upper_bound(accounts: Accounts) -> None:
    spending = new_shard(accounts, team_budget(day=10_000))
    spending.before_attempt(plan("record", 1e-6), stop=NEVER)

    spending.settle()

    assert (accounts.total().unconfirmed_cost, accounts.total().requests) == (1_000, 1)
    assert accounts.leases() == []
