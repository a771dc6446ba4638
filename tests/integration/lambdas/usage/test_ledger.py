"""Reservations and settlements with lost responses, conflicts, and an unavailable table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.shared.outage import Outage
from lambdas.usage.budget import Period
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.lease import Allowance, Lease, new_lease
from lambdas.usage.period_limit import period_limits
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from tests.clock import manual_outage_clock
from tests.dynamodb_server import LOST, error_answer
from tests.integration.lambdas.usage.accounts import ADA, TODAY, Accounts, team_budget

BUDGET = team_budget(day=1_000, month=5_000)
ROW = UsageKey(day="2026-12-01", team="search", caller=ADA.id, key_id="", model="m")
USED = UsageCounts(requests=1, input_tokens=8, output_tokens=3, cost=70)
CONFLICT = error_answer(
    "TransactionCanceledException",
    CancellationReasons=[{"Code": "TransactionConflict", "Message": "Transaction is ongoing"}],
)


def lease(cost: int = 400) -> Lease:
    allowance = Allowance(cost=cost, input_tokens=40, output_tokens=20)
    return new_lease(period_limits([BUDGET], TODAY), ADA, allowance, model="m", now=TODAY)


def committed(accounts: Accounts) -> list[tuple[int, int]]:
    """Return what is committed and reserved in the day and in the month."""
    return [(period.committed, period.reserved) for period in accounts.spending(BUDGET)]


def writes(accounts: Accounts) -> list[dict[str, Any]]:
    """Return the parameters of all transactions that were sent."""
    return [body for operation, body in accounts.server.requests if operation == "TransactWriteItems"]


def test_a_reservation_is_replaced_by_what_was_used(accounts: Accounts) -> None:
    reservation = lease()
    accounts.ledger.reserve(reservation)
    assert committed(accounts) == [(400, 400)] * 2
    (stored,) = accounts.leases()
    assert (stored.caller, stored.model, stored.allowance) == (ADA, "m", reservation.allowance)
    accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2
    assert accounts.rows() == {ROW: USED}
    assert accounts.leases() == []


def test_a_reservation_and_a_settlement_are_one_write_each(accounts: Accounts) -> None:
    reservation = lease()
    accounts.ledger.reserve(reservation)
    accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    accounts.ledger.count({ROW: USED}, now=TODAY)
    assert [operation for operation, _ in accounts.server.requests[1:]] == ["TransactWriteItems"] * 3


def test_a_reservation_beyond_a_limit_changes_nothing_and_names_the_limit(accounts: Accounts) -> None:
    accounts.ledger.reserve(lease(700))
    with pytest.raises(BudgetExceeded) as raised:
        accounts.ledger.reserve(lease(301))
    error = raised.value
    assert (error.scope.value, error.name, error.period) == ("team", "search", Period.DAY)
    assert (error.limit, error.left, error.reserved, error.needed) == (1_000, 300, 700, 301)
    assert error.resets_at == datetime(2026, 12, 2, tzinfo=UTC)
    assert committed(accounts) == [(700, 700)] * 2
    assert len(accounts.leases()) == 1
    accounts.ledger.reserve(lease(300))


def test_a_first_reservation_of_more_than_the_limit_is_refused(accounts: Accounts) -> None:
    with pytest.raises(BudgetExceeded) as raised:
        accounts.ledger.reserve(lease(1_001))
    assert (raised.value.left, raised.value.reserved) == (1_000, 0)
    assert accounts.items("") == []


def test_a_limit_that_was_lowered_below_what_is_spent_refuses_calls(accounts: Accounts) -> None:
    accounts.ledger.reserve(lease(700))
    lowered = tuple(replace(limit, limit=500) for limit in lease().limits)
    with pytest.raises(BudgetExceeded) as raised:
        accounts.ledger.reserve(replace(lease(1), limits=lowered))
    assert raised.value.left == 0


def test_an_extended_lease_reserves_the_difference(accounts: Accounts) -> None:
    reservation = lease()
    accounts.ledger.reserve(reservation)
    more = Allowance(cost=100, input_tokens=1, output_tokens=2)
    extended = accounts.ledger.extend(reservation, more, model="n")
    assert committed(accounts) == [(500, 500)] * 2
    (stored,) = accounts.leases()
    assert (
        (stored.model, stored.allowance)
        == ("n", reservation.allowance + more)
        == (
            extended.model,
            extended.allowance,
        )
    )
    with pytest.raises(BudgetExceeded):
        accounts.ledger.extend(extended, Allowance(cost=501), model="n")
    accounts.ledger.settle(extended, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2


@pytest.mark.parametrize("remembers_tokens", [True, False], ids=["DynamoDB", "an emulator without tokens"])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_transaction_whose_response_is_lost_takes_effect_once(
    accounts: Accounts, lost: int, remembers_tokens: bool
) -> None:
    accounts.server.remembers_tokens = remembers_tokens
    responses = iter([LOST if number == lost else None for number in range(3)])
    accounts.server.after = lambda operation, _: (
        next(responses, None) if operation == "TransactWriteItems" else None
    )
    reservation = lease()
    accounts.ledger.reserve(reservation)
    reservation = accounts.ledger.extend(reservation, Allowance(cost=100), model="m")
    accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2
    assert accounts.rows() == {ROW: USED}
    tokens = [body["ClientRequestToken"] for body in writes(accounts)]
    assert (len(tokens), len(set(tokens))) == (4, 3)


def test_usage_without_a_budget_whose_response_is_lost_counts_once(accounts: Accounts) -> None:
    responses = iter([LOST, LOST])
    accounts.server.after = lambda operation, _: (
        next(responses, None) if operation == "TransactWriteItems" else None
    )
    accounts.ledger.count({ROW: USED}, now=TODAY)
    assert accounts.rows() == {ROW: USED}
    assert len({body["ClientRequestToken"] for body in writes(accounts)}) == 1


@pytest.mark.parametrize(
    "error",
    [
        CONFLICT,
        error_answer("TransactionInProgressException"),
        error_answer("ThrottlingException"),
        error_answer("InternalServerError", status=500),
    ],
)
def test_conflicts_and_temporary_errors_are_retried(accounts: Accounts, error: Any) -> None:
    errors = iter([error] * 3)
    accounts.server.before = lambda *_: next(errors, None)
    reservation = lease()
    accounts.ledger.reserve(reservation)
    accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2
    assert len(writes(accounts)) == 5


@pytest.mark.parametrize(("answers", "rows"), [([CONFLICT] * 2, 2), ([LOST, CONFLICT], 1)])
def test_usage_is_counted_in_a_spare_row_if_its_row_is_being_written(
    accounts: Accounts, answers: list[Any], rows: int
) -> None:
    accounts.ledger.count({ROW: USED}, now=TODAY)
    remaining = iter(answers)
    accounts.server.before = lambda *_: next(remaining, None)
    accounts.ledger.count({ROW: USED}, now=TODAY)
    # After a try whose outcome is unknown, only the same transaction is safe.
    assert len(accounts.items("usage#")) == rows
    assert accounts.rows() == {ROW: USED + USED}


@pytest.mark.parametrize(("length", "queries"), [(100, 1), (2_000, 0)])
def test_a_team_whose_name_is_longer_than_a_key_has_no_usage(
    accounts: Accounts, length: int, queries: int
) -> None:
    assert list(accounts.table.rows(["2026-12-01"], team="é" * length)) == []
    assert [operation for operation, _ in accounts.server.requests].count("Query") == queries


def test_a_second_settlement_has_no_effect(accounts: Accounts) -> None:
    reservation = lease()
    accounts.ledger.reserve(reservation)
    for _ in range(2):
        accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2
    assert accounts.rows() == {ROW: USED}


@pytest.mark.parametrize("error", [CONFLICT, error_answer("AccessDeniedException"), LOST])
def test_a_table_that_stays_unavailable_is_reported(accounts: Accounts, error: Any) -> None:
    ledger = replace(accounts.ledger, seconds=0.1)
    reservation = lease()
    ledger.reserve(reservation)
    accounts.server.before = lambda *_: error
    for write in (
        lambda: ledger.reserve(lease()),
        lambda: ledger.extend(reservation, Allowance(cost=1), model="m"),
        lambda: ledger.settle(reservation, {ROW: USED}, now=TODAY),
        lambda: ledger.count({ROW: USED}, now=TODAY),
    ):
        with pytest.raises(UsageTableUnavailable):
            write()
    accounts.server.before = lambda *_: None
    assert committed(accounts) == [(400, 400)] * 2


def test_usage_without_a_budget_does_not_wait_for_a_table_that_could_not_be_reached(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = manual_outage_clock(monkeypatch)
    ledger = replace(accounts.ledger, count_seconds=0.0, outage=Outage())
    accounts.server.before = lambda *_: LOST
    for _ in range(3):
        with pytest.raises(UsageTableUnavailable):
            ledger.count({ROW: USED}, now=TODAY)
    assert len(writes(accounts)) == 1
    accounts.server.before = lambda *_: None
    clock.now += 5
    for _ in range(2):
        ledger.count({ROW: USED}, now=TODAY)
    assert accounts.rows() == {ROW: USED + USED}


def test_a_table_that_is_busy_is_no_outage(accounts: Accounts) -> None:
    ledger = replace(accounts.ledger, count_seconds=0.0, outage=Outage())
    accounts.server.before = lambda *_: error_answer("ThrottlingException")
    for _ in range(2):
        with pytest.raises(UsageTableUnavailable):
            ledger.count({ROW: USED}, now=TODAY)
    assert len(writes(accounts)) == 2


def test_an_unavailable_table_is_described_in_the_log_and_not_to_the_caller(
    accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "User: arn:aws:sts::123456789012:assumed-role/f is not authorized"
    accounts.server.before = lambda *_: error_answer("AccessDeniedException", message=reason)
    with pytest.raises(UsageTableUnavailable) as raised:
        accounts.ledger.reserve(lease())
    assert str(raised.value) == "the usage table is unavailable"
    assert [reason in record.reason for record in caplog.records] == [True]  # type: ignore[attr-defined]


def test_an_extension_that_seemed_to_fail_is_settled_too(accounts: Accounts) -> None:
    reservation = lease()
    accounts.ledger.reserve(reservation)
    accounts.server.after = lambda *_: LOST
    with pytest.raises(UsageTableUnavailable):
        replace(accounts.ledger, seconds=0.0).extend(reservation, Allowance(cost=100), model="m")
    accounts.server.after = lambda *_: None
    assert committed(accounts) == [(500, 500)] * 2
    accounts.ledger.settle(reservation, {ROW: USED}, now=TODAY)
    assert committed(accounts) == [(70, 0)] * 2
    assert accounts.rows() == {ROW: USED}
    assert accounts.leases() == []


def test_items_expire_some_time_after_their_period(accounts: Accounts) -> None:
    accounts.ledger.reserve(lease())
    accounts.ledger.count({ROW: USED}, now=TODAY)
    expiry = {
        (item["pk"]["S"].partition("#")[0], item["sk"]["S"].partition(":")[0]): datetime.fromtimestamp(
            int(item["expires_at"]["N"]), UTC
        )
        for item in accounts.items("")
    }
    days = sorted((time - TODAY).days for time in expiry.values())
    assert days == [400, 400, 400, 430]
