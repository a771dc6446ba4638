"""How many calls a second one budget allows: the ledger on a model of DynamoDB, in virtual time.

The transactions of a budget's calls write the same item. DynamoDB cancels one that begins while another
writes the item, and the ledger tries again. In the model, a transaction takes 5 to 10 ms, and others conflict
with it for four fifths of that. Calls begin at random times.

Usage: python -m tests.benchmarks.budget_conflicts [CALLS_PER_SECOND ...]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from lambdas.usage import transaction
from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, new_lease
from lambdas.usage.ledger import Ledger
from lambdas.usage.period_limit import period_limits
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from tests.virtual_time import VirtualTime

_RATES = (20, 40, 60, 75, 100)
_SECONDS = 30.0
_ANSWER_SECONDS = (0.5, 1.5)
_TRANSACTION_SECONDS = (0.005, 0.010)
_NETWORK_SHARE = 0.1
_NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
_CALLER = Caller("ada", "search")
_BUDGET = Budget(
    scope=BudgetScope.TEAM, name="search", limits={Period.DAY: 10**15}, updated=_NOW, updated_by="admin"
)
_USED = {
    UsageKey(day=utc_day(_NOW), team="search", caller="ada", key_id="", model="m"): UsageCounts(
        requests=1, cost=5
    )
}


class ConflictingTable:
    """A DynamoDB client whose transactions take time, and conflict with others that write the same items.

    Attributes:
        transactions: number of transactions, canceled ones included.
    """

    def __init__(self, time: VirtualTime, chance: random.Random) -> None:
        self.transactions = 0
        self._time = time
        self._chance = chance
        self._written: set[tuple[str, str]] = set()

    def transact_write_items(self, *, TransactItems: Sequence[Any], **_: Any) -> None:
        """Run a transaction that conflicts with those in progress."""
        self.transactions += 1
        keys = {_key(write) for write in TransactItems}
        seconds = self._chance.uniform(*_TRANSACTION_SECONDS)
        self._time.sleep(seconds * _NETWORK_SHARE)
        if keys & self._written:
            self._time.sleep(seconds * _NETWORK_SHARE)
            raise ClientError(
                {
                    "Error": {"Code": "TransactionCanceledException"},
                    "CancellationReasons": [{"Code": "TransactionConflict"}],
                },
                "TransactWriteItems",
            )
        self._written |= keys
        self._time.sleep(seconds * (1 - 2 * _NETWORK_SHARE))
        self._written -= keys
        self._time.sleep(seconds * _NETWORK_SHARE)


@dataclass
class Outcome:
    """What became of the calls.

    Attributes:
        settled: calls that were reserved and settled.
        refused: calls that could not be reserved in time.
        unsettled: calls whose reservation stays.
        waits, settlement_waits: seconds of each reservation and settlement that succeeded.
        transactions: number of transactions, canceled ones included.
    """

    settled: int = 0
    refused: int = 0
    unsettled: int = 0
    waits: list[float] = field(default_factory=list)
    settlement_waits: list[float] = field(default_factory=list)
    transactions: int = 0

    @property
    def calls(self) -> int:
        return self.settled + self.refused + self.unsettled


def simulate(calls_per_second: float, *, seconds: float, seed: int = 1) -> Outcome:
    """Return the outcome of calls of one budget."""
    chance = random.Random(seed)
    time = VirtualTime()
    table = ConflictingTable(time, chance)
    ledger = Ledger(table, "usage")
    outcome = Outcome()

    def call() -> None:
        began = time.now
        limits = period_limits([_BUDGET], _NOW)
        lease = new_lease(limits, _CALLER, Allowance(cost=10), model="m", now=_NOW)
        try:
            ledger.reserve(lease)
        except UsageTableUnavailable:
            outcome.refused += 1
            return
        outcome.waits.append(time.now - began)
        time.sleep(chance.uniform(*_ANSWER_SECONDS))
        began = time.now
        try:
            ledger.settle(lease, _USED, now=_NOW)
        except UsageTableUnavailable:
            outcome.unsettled += 1
            return
        outcome.settled += 1
        outcome.settlement_waits.append(time.now - began)

    start = 0.0
    while (start := start + chance.expovariate(calls_per_second)) < seconds:
        time.start_at(start, call)
    with patch.object(transaction, "time", time), patch.object(transaction, "random", chance):
        time.run()
    outcome.transactions = table.transactions
    return outcome


def main(rates: Sequence[float]) -> None:
    """Print a table with a row for each rate of calls."""
    print(
        "calls/s | settled | 503 | not settled | reservation, p99 | settlement, p99 | transactions per call"
    )
    for rate in rates:
        outcome = simulate(rate, seconds=_SECONDS)
        shares = (getattr(outcome, name) / outcome.calls for name in ("settled", "refused", "unsettled"))
        waits = (_percentile(waits, 0.99) for waits in (outcome.waits, outcome.settlement_waits))
        columns = [
            f"{rate:g}",
            *(f"{share:.2%}" for share in shares),
            *(f"{wait * 1000:.0f} ms" for wait in waits),
            f"{outcome.transactions / outcome.calls:.1f}",
        ]
        print(" | ".join(columns))


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def _key(write: Any) -> tuple[str, str]:
    (action,) = write.values()
    key = action.get("Key") or action["Item"]
    return key["pk"]["S"], key["sk"]["S"]


if __name__ == "__main__":
    main([float(text) for text in sys.argv[1:]] or _RATES)
