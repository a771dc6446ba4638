"""The usage of a period: its requests, tokens and cost, by group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from lambdas.usage.lease import Allowance, StoredLease
from lambdas.usage.money import dollars
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_query import GROUPS, UsageQuery
from lambdas.usage.usage_table import UsageTable
from llmmanager.json_format.codec import InvalidRequest

MAX_ROWS: Final = 5_000
"""Maximum number of rows in a report. Their JSON fits into a response of a Lambda function."""

MAX_ITEMS: Final = 200_000
"""Maximum number of items that a report reads. They are read within API Gateway's timeout."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Sum:
    counts: UsageCounts = field(default_factory=UsageCounts)
    lost: int = 0
    reserved: Allowance = field(default_factory=Allowance)

    def add_lost(self, lease: StoredLease) -> None:
        self.lost += 1
        self.reserved += lease.allowance

    def encode(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "requests": counts.requests,
            "failures": counts.failures,
            "inputTokens": counts.input_tokens,
            "outputTokens": counts.output_tokens,
            "cacheReadTokens": counts.cache_read_tokens,
            "cacheWriteTokens": counts.cache_write_tokens,
            "costUsd": dollars(counts.cost),
            "answersWithoutPrice": counts.unpriced,
            "unconfirmed": {
                "attempts": counts.unconfirmed_attempts,
                "inputTokens": counts.unconfirmed_input_tokens,
                "outputTokens": counts.unconfirmed_output_tokens,
                "costUsd": dollars(counts.unconfirmed_cost),
            },
            "lostReservations": {
                "count": self.lost,
                "inputTokens": self.reserved.input_tokens,
                "outputTokens": self.reserved.output_tokens,
                "costUsd": dollars(self.reserved.cost),
            },
        }


def usage_report(table: UsageTable, query: UsageQuery, *, now: datetime) -> dict[str, Any]:
    """Return the usage of a query, with a row for each group and the totals of all rows.

    Rows are in the order of their groups. A group that is empty, such as the team of requests without a team,
    is null, and is the first.

    Args:
        now: the time from which on a reservation is lost or not.

    Raises:
        InvalidRequest: the report would be too large.
        BotoCoreError, ClientError: the table cannot be read.
    """
    rows: dict[tuple[str, ...], _Sum] = {}
    totals = _Sum()
    for key, counts in _limited(table.rows(query.days, team=query.filters.get("team"))):
        for total in _sums(key, query, rows, totals):
            total.counts += counts
    for lease in _limited(table.lost_leases(query.days, now=now)):
        for total in _sums(_key(lease), query, rows, totals):
            total.add_lost(lease)
    return {
        "from": query.first.isoformat(),
        "to": query.last.isoformat(),
        "groupBy": list(query.groups),
        "rows": [{**_encode_group(query, group), **rows[group].encode()} for group in sorted(rows)],
        "totals": totals.encode(),
    }


def _sums(
    key: UsageKey, query: UsageQuery, rows: dict[tuple[str, ...], _Sum], totals: _Sum
) -> tuple[_Sum, ...]:
    """Return the sums that an item is part of."""
    if any(getattr(key, GROUPS[name]) != accepted for name, accepted in query.filters.items()):
        return ()
    group = tuple(getattr(key, GROUPS[name]) for name in query.groups)
    if group not in rows and len(rows) == MAX_ROWS:
        raise InvalidRequest(
            [f"groupBy: the report has more than {MAX_ROWS} rows; use fewer groups, fewer days or a filter"]
        )
    return rows.setdefault(group, _Sum()), totals


def _encode_group(query: UsageQuery, group: tuple[str, ...]) -> Mapping[str, str | None]:
    return {name: value or None for name, value in zip(query.groups, group, strict=True)}


def _key(lease: StoredLease) -> UsageKey:
    caller = lease.caller
    return UsageKey(
        day=lease.day, team=caller.team, caller=caller.id, key_id=caller.key_id, model=lease.model
    )


def _limited(items: Iterable[_Item]) -> Iterator[_Item]:
    for number, item in enumerate(items):
        if number == MAX_ITEMS:
            raise InvalidRequest(
                [f"from, to: these days have more than {MAX_ITEMS} items; request fewer days"]
            )
        yield item
