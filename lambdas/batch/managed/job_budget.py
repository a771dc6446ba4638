"""What a managed batch job may cost and has cost: reserved before it is created, settled after its import.

The reservation is planned in the intent, so that a repeated reservation or settlement has no effect. A caller
without a budget has a reservation, too: it makes the usage of the job count once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from lambdas.usage.budget import BudgetScope, Period
from lambdas.usage.budget_table import budget_table
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, Lease, new_lease
from lambdas.usage.money import nano_dollars
from lambdas.usage.period_limit import PeriodLimit, period_limits
from lambdas.usage.spending import ledger
from lambdas.usage.thresholds import report_spending
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from lambdas.usage.usage_rows import UsageRows
from llmmanager.batch_lanes.lane import Lane
from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.invocation.attempt_bounds import AttemptBounds
from llmmanager.bedrock.pricing import target_answer_cost


@dataclass(slots=True)
class RecordBounds:
    """Upper bounds of what the records of a job use.

    Attributes:
        records: number of records.
        cost: nano-dollars; that of records without a known price is missing.
        unpriced: number of records without a known price.
    """

    records: int = 0
    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unpriced: int = 0

    def add(self, target: ModelAccess, fields: Mapping[str, Any], body: bytes) -> None:
        """Add a record."""
        bounds = AttemptBounds(target, fields, body)
        tokens = {"inputTokens": bounds.input_tokens, "outputTokens": bounds.output_tokens}
        cost = batch_cost(target, tokens)
        self.records += 1
        self.input_tokens += tokens["inputTokens"]
        self.output_tokens += tokens["outputTokens"]
        self.unpriced += cost is None
        self.cost += nano_dollars(cost or 0)


def batch_cost(target: ModelAccess, usage: Mapping[str, Any]) -> float | None:
    """Return the price of tokens in a managed batch job in USD, or None if it is unknown."""
    return target_answer_cost(target, usage, service_tier=Lane.MANAGED.price_tier)


@dataclass(frozen=True, slots=True)
class JobReservation:
    """What is reserved for a job in the periods of its caller's budgets."""

    lease: Lease

    @classmethod
    def plan(
        cls, caller: Caller, bounds: RecordBounds, *, model: str, lasts: timedelta, now: datetime
    ) -> JobReservation:
        """Return a reservation that is not stored yet.

        Args:
            lasts: how long the job may take until it is settled.

        Raises:
            BudgetsUnavailable: the caller has or may have a budget, which cannot be read.
        """
        limits = period_limits(budget_table().find(caller.scopes()), now)
        allowance = Allowance(
            cost=bounds.cost, input_tokens=bounds.input_tokens, output_tokens=bounds.output_tokens
        )
        lease = new_lease(limits, caller, allowance, model=model, now=now)
        return cls(replace(lease, lost_at=now + lasts))

    def reserve(self) -> None:
        """Reserve it. A repetition has no effect.

        Raises:
            BudgetExceeded: a budget does not allow it.
            UsageTableUnavailable: it may or may not be reserved.
        """
        ledger().reserve(self.lease)

    def settle(self, rows: UsageRows, *, now: datetime) -> None:
        """Replace the reservation by what was used. A repetition has no effect.

        Raises:
            UsageTableUnavailable: it may or may not be settled.
        """
        ledger().settle(self.lease, rows, now=now)
        if self.lease.limits:
            report_spending(ledger().client, ledger().table, self.lease.limits)

    def lost_rows(self, lost: int, *, records: int, now: datetime) -> UsageRows:
        """Return the usage of records that may have been billed and have no output, at their upper bounds.

        Args:
            lost: their number.
            records: number of records of the job.
        """
        caller, allowance = self.lease.caller, self.lease.allowance
        if not lost:
            return {}
        key = UsageKey(
            day=utc_day(now),
            team=caller.team,
            caller=caller.id,
            key_id=caller.key_id,
            model=self.lease.model,
        )
        counts = UsageCounts(
            unconfirmed_attempts=lost,
            unconfirmed_input_tokens=allowance.input_tokens * lost // records,
            unconfirmed_output_tokens=allowance.output_tokens * lost // records,
            unconfirmed_cost=allowance.cost * lost // records,
        )
        return {key: counts}

    def to_json(self) -> dict[str, Any]:
        """Return the reservation for `from_json`."""
        return {
            **asdict(self.lease),
            "limits": [
                {
                    "scope": limit.scope[0].value,
                    "name": limit.scope[1],
                    "period": limit.period.value,
                    "period_key": limit.period_key,
                    "limit": limit.limit,
                    "resets_at": limit.resets_at.isoformat(),
                }
                for limit in self.lease.limits
            ],
            "lost_at": self.lease.lost_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobReservation:
        """Return a stored reservation."""
        limits = tuple(
            PeriodLimit(
                scope=(BudgetScope(limit["scope"]), limit["name"]),
                period=Period(limit["period"]),
                period_key=limit["period_key"],
                limit=limit["limit"],
                resets_at=datetime.fromisoformat(limit["resets_at"]),
            )
            for limit in data["limits"]
        )
        lease = Lease(
            id=data["id"],
            day=data["day"],
            limits=limits,
            caller=Caller(**data["caller"]),
            model=data["model"],
            allowance=Allowance(**data["allowance"]),
            lost_at=datetime.fromisoformat(data["lost_at"]),
        )
        return cls(lease)
