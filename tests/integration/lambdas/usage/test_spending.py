"""The spending of calls: what is reserved before each attempt, and what is settled after the call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.call_recording import failure_recorded, record_call, recorded
from lambdas.usage.spending import CallSpending
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts
from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    LLMManager,
    LLMManagerError,
    RequestValidationError,
    ResponseValidationConfig,
    RetryConfig,
    StreamingResponse,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock, Fault
from tests.dynamodb_server import LOST
from tests.integration.lambdas.usage.accounts import Accounts, team_budget
from tests.waiting import SILENCE_SECONDS

Billed = Callable[[], UsageCounts]
LARGE = team_budget(day=10**9, month=10**10)
ASK = BedrockConverseRequest(messages="What is the capital of France?", inference_config={"maxTokens": 100})
# What one attempt of this request may cost and does cost, in nano-dollars.
BOUND, COST = 61_200, 23_520
NEVER_VALID = ResponseValidationConfig(lambda _: ValidationResult(False, "no"), response_validation_retries=2)


@pytest.fixture
def manager(fake_bedrock: FakeBedrock) -> LLMManager:
    return make_manager()


def make_manager(*models: str, **options: Any) -> LLMManager:
    return LLMManager(list(models or ("Nova Lite",)), ["us-east-1", "us-west-2"], **options)


def send(
    manager: LLMManager, spending: CallSpending, validation: ResponseValidationConfig | None = None
) -> BedrockResponse:
    return recorded(
        lambda: manager.converse_with_request(ASK, validation, before_attempt=spending.before_attempt),
        spending,
        entry_point="http",
    )


def read_stream(manager: LLMManager, spending: CallSpending) -> StreamingResponse:
    """Read a stream to its end, as the entry points do."""
    with failure_recorded(spending, entry_point="http"):
        stream = manager.converse_stream_with_request(ASK, before_attempt=spending.before_attempt)
    for _ in stream:
        pass
    stream.close()
    record_call(stream.get_response(), spending, entry_point="http")
    return stream


def check_books(accounts: Accounts, bill: UsageCounts, budget: Any = LARGE) -> None:
    """The ledger is not below the bill, and the budget was charged for what the ledger has."""
    total = accounts.total()
    assert total.max_cost >= bill.cost
    assert total.max_input_tokens >= bill.input_tokens
    assert total.max_output_tokens >= bill.output_tokens
    assert [(p.committed, p.reserved) for p in accounts.spending(budget)] == [(total.max_cost, 0)] * 2
    assert accounts.leases() == []


def writes(accounts: Accounts) -> int:
    return [operation for operation, _ in accounts.server.requests].count("TransactWriteItems")


def unrecorded(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the rows that were only logged."""
    records = [record for record in caplog.records if record.message == "usage not recorded"]
    return [row for record in records for row in record.rows]  # type: ignore[attr-defined]


def test_a_budgeted_call_writes_twice_and_other_calls_once(
    accounts: Accounts, manager: LLMManager, billed: Billed
) -> None:
    send(manager, accounts.call())
    assert writes(accounts) == 1
    send(manager, accounts.call(LARGE))
    assert writes(accounts) == 3
    total = accounts.total()
    assert total == replace(billed(), requests=2)
    assert accounts.spending(LARGE)[0].committed == COST


def test_a_call_is_refused_if_its_upper_bound_is_more_than_what_is_left(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock
) -> None:
    budget = team_budget(day=BOUND + COST - 1)
    send(manager, accounts.call(budget))
    with pytest.raises(BudgetExceeded) as raised:
        send(manager, accounts.call(budget))
    assert (raised.value.left, raised.value.needed) == (BOUND - 1, BOUND)
    assert len(fake_bedrock.calls) == 1
    assert accounts.total().requests == 1
    send(manager, accounts.call(replace(budget, limits=team_budget(day=BOUND + COST).limits)))


def test_validation_retries_are_reserved_one_by_one_and_all_settled(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    response = send(manager, accounts.call(LARGE), NEVER_VALID)
    assert (response.success, len(fake_bedrock.calls)) == (False, 3)
    assert accounts.total() == replace(billed(), requests=1, failures=1)
    assert accounts.spending(LARGE)[0].committed == 3 * COST
    check_books(accounts, billed())


def test_a_budget_ends_a_call_between_validation_retries(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, billed: Billed, capsys: Any
) -> None:
    budget = team_budget(day=COST + BOUND, month=10**9)
    with pytest.raises(BudgetExceeded) as raised:
        send(manager, accounts.call(budget), NEVER_VALID)
    assert len(fake_bedrock.calls) == 2
    assert raised.value.response is not None
    assert len(raised.value.response.attempts) == 2
    lines = [
        json.loads(line)
        for line in capsys.readouterr().out.splitlines()
        if "EstimatedCost" in line or "Failures" in line
    ]
    assert [(line.get("Attempts"), line.get("Failures")) for line in lines] == [(2, None), (None, 1)]
    assert accounts.total() == replace(billed(), requests=1, failures=1)
    check_books(accounts, billed(), budget)


def test_throttled_attempts_cost_nothing_and_reserve_nothing_more(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
    send(manager, accounts.call(team_budget(day=BOUND, month=BOUND)))
    assert len(fake_bedrock.calls) == 2
    assert writes(accounts) == 2
    assert accounts.total() == replace(billed(), requests=1)


def test_a_failover_to_another_model_is_counted_at_that_model(
    accounts: Accounts, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model="amazon.nova-micro-v1:0"))
    for budgets in ([LARGE], []):
        send(make_manager("Nova Micro", "Nova Lite"), accounts.call(*budgets))
    ((key, counts),) = accounts.rows().items()
    assert (key.model, counts.requests, counts.cost) == ("amazon.nova-lite-v1:0", 2, 2 * COST)
    assert accounts.spending(LARGE)[0].committed == COST


def test_a_lost_answer_counts_at_its_upper_bound(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, billed=True, region="us-east-1", count=1))
    response = send(make_manager(), accounts.call(LARGE))
    assert response.success
    assert billed().cost == 2 * COST
    total = accounts.total()
    assert (total.requests, total.failures, total.unconfirmed_attempts) == (1, 0, 1)
    assert (total.cost, total.unconfirmed_cost) == (COST, BOUND)
    check_books(accounts, billed())


def test_a_call_that_timed_out_counts_at_its_upper_bound(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    fake_bedrock.add_fault(Fault(hang=True, billed=True))
    manager = make_manager(timeout=SILENCE_SECONDS, retry_config=RetryConfig(max_retries=1))
    for budgets in ([LARGE], []):
        with pytest.raises(LLMManagerError):
            send(manager, accounts.call(*budgets))
    total = accounts.total()
    assert (total.requests, total.failures, total.cost) == (2, 2, 0)
    assert total.unconfirmed_attempts == len(fake_bedrock.calls)
    assert total.max_cost == total.unconfirmed_attempts * BOUND >= billed().cost > 0
    # The second call had no budget.
    assert accounts.spending(LARGE)[0].spent == total.max_cost // 2


def test_a_continued_stream_reserves_each_part_and_counts_the_lost_one_at_its_upper_bound(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1", after_chunks=3))
    stream = read_stream(manager, accounts.call(LARGE))
    assert (stream.success, len(fake_bedrock.calls)) == (True, 2)
    assert accounts.total().unconfirmed_cost == BOUND
    check_books(accounts, billed())


def test_a_budget_ends_a_stream_before_its_continuation(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, billed: Billed
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1", after_chunks=3))
    budget = team_budget(day=BOUND, month=BOUND)
    stream = read_stream(manager, accounts.call(budget))
    assert (stream.success, len(fake_bedrock.calls)) == (False, 1)
    assert isinstance(stream.get_last_error(), BudgetExceeded)
    check_books(accounts, billed(), budget)


def test_a_stream_that_is_closed_early_counts_at_its_upper_bound(
    accounts: Accounts, manager: LLMManager, billed: Billed
) -> None:
    spending = accounts.call(LARGE)
    stream = manager.converse_stream_with_request(ASK, before_attempt=spending.before_attempt)
    next(iter(stream))
    stream.close()
    record_call(stream.get_response(), spending, entry_point="http")
    check_books(accounts, billed())
    assert accounts.spending(LARGE)[0].spent in (BOUND, COST)


def test_an_unexpected_error_counts_the_attempt_in_progress_at_its_upper_bound(
    accounts: Accounts, manager: LLMManager, billed: Billed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop

    spending = accounts.call(LARGE)
    monkeypatch.setattr(AttemptLoop, "response", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        send(manager, spending)
    total = accounts.total()
    assert (total.requests, total.failures, total.unconfirmed_attempts) == (1, 1, 1)
    check_books(accounts, billed())


def test_a_released_call_returns_its_reservation(accounts: Accounts, manager: LLMManager) -> None:
    spending = accounts.call(LARGE)

    def reserve_and_stop(planned: Any) -> None:
        spending.before_attempt(planned)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.converse_with_request(ASK, before_attempt=reserve_and_stop)
    assert accounts.spending(LARGE)[0].reserved == BOUND
    spending.release()
    assert [(p.committed, p.reserved) for p in accounts.spending(LARGE)] == [(0, 0)] * 2
    assert (accounts.rows(), accounts.leases()) == ({}, [])


def test_a_request_that_is_rejected_before_any_attempt_is_not_counted(
    accounts: Accounts, manager: LLMManager
) -> None:
    spending = accounts.call(LARGE)
    invalid = replace(ASK, inference_config={"maxTokens": -1})
    with pytest.raises(RequestValidationError), failure_recorded(spending, entry_point="http"):
        manager.converse_with_request(invalid, before_attempt=spending.before_attempt)
    assert accounts.items("") == []


def test_a_model_without_a_price_is_refused_to_budgeted_callers_only(
    accounts: Accounts, fake_bedrock: FakeBedrock
) -> None:
    manager = make_manager("GPT-6.1 Terra")
    with pytest.raises(RequestValidationError, match="has no known price"):
        send(manager, accounts.call(LARGE))
    assert fake_bedrock.calls == ()
    assert send(manager, accounts.call()).success
    total = accounts.total()
    assert (total.requests, total.cost, total.unpriced) == (1, 0, 1)


def test_the_next_call_after_a_period_uses_the_new_period(
    accounts: Accounts, manager: LLMManager, billed: Billed
) -> None:
    budget = team_budget(day=BOUND, month=10**9)
    accounts.time.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    send(manager, accounts.call(budget))
    with pytest.raises(BudgetExceeded):
        send(manager, accounts.call(budget))
    accounts.time.now = datetime(2027, 1, 1, tzinfo=UTC)
    assert send(manager, accounts.call(budget)).success
    spent = {item["sk"]["S"]: int(item["committed"]["N"]) for item in accounts.items("spent#")}
    assert spent == dict.fromkeys(
        ("day:2026-12-31", "day:2027-01-01", "month:2026-12", "month:2027-01"), COST
    )


def test_a_call_that_crosses_midnight_is_settled_in_the_period_of_its_reservation(
    accounts: Accounts, manager: LLMManager, answer_with: Any
) -> None:
    accounts.time.now = datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)

    def after_midnight(_: Any) -> None:
        accounts.time.now = datetime(2026, 12, 2, 0, 0, 1, tzinfo=UTC)

    answer_with(after_midnight)
    send(manager, accounts.call(LARGE), NEVER_VALID)
    spent = {
        item["sk"]["S"]: (int(item["committed"]["N"]), int(item["reserved"]["N"]))
        for item in accounts.items("spent#")
    }
    assert spent == {"day:2026-12-01": (3 * COST, 0), "month:2026-12": (3 * COST, 0)}


def test_an_unavailable_table_stops_budgeted_calls_and_no_others(
    accounts: Accounts, manager: LLMManager, fake_bedrock: FakeBedrock, caplog: Any, capsys: Any
) -> None:
    accounts.server.before = lambda *_: LOST
    ledger = replace(accounts.ledger, seconds=0.1, count_seconds=0.1)
    with pytest.raises(UsageTableUnavailable):
        send(manager, accounts.call(LARGE, ledger=ledger))
    assert fake_bedrock.calls == ()
    assert send(manager, accounts.call(ledger=ledger)).success
    (row,) = unrecorded(caplog)
    assert (row["team"], row["requests"], row["cost"]) == ("search", 1, COST)
    assert '"UsageNotRecorded":1' in capsys.readouterr().out


def test_a_settlement_that_fails_leaves_the_reservation_as_spent(
    accounts: Accounts, manager: LLMManager, answer_with: Any, caplog: Any
) -> None:
    def disconnect(_: Any) -> None:
        accounts.server.before = lambda *_: LOST

    answer_with(disconnect)
    spending = accounts.call(LARGE, ledger=replace(accounts.ledger, seconds=0.1))
    assert send(manager, spending).success
    accounts.server.before = lambda *_: None
    assert [(p.committed, p.reserved) for p in accounts.spending(LARGE)] == [(BOUND, BOUND)] * 2
    (lease,) = accounts.leases()
    assert (lease.caller, lease.allowance.cost) == (spending.caller, BOUND)
    assert [row["cost"] for row in unrecorded(caplog)] == [COST]
