"""Read usage, spending and lost leases from the usage table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lambdas.contract import TableAttribute, UsagePartition
from lambdas.usage.lease import StoredLease
from lambdas.usage.period_limit import PeriodLimit, PeriodSpending
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_items import (
    Item,
    decode_lease,
    decode_period,
    decode_usage,
    period_key,
    usage_prefix,
)

_MAX_SORT_KEY_BYTES: Final = 1_024
# DynamoDB's limit of keys in one request.
_MAX_KEYS: Final = 100
# DynamoDB returns only a part of the items while it throttles.
_READS: Final = 3


@dataclass(frozen=True, slots=True)
class UsageTable:
    """The usage table, for reports. `Ledger` writes it.

    Attributes:
        client: a DynamoDB client of botocore.
        name: name of the table.
    """

    client: Any
    name: str

    def rows(self, days: Iterable[str], *, team: str | None = None) -> Iterator[tuple[UsageKey, UsageCounts]]:
        """Yield the rows of UTC days, such as "2026-12-01". A key can have several rows, to be added up.

        Args:
            team: only rows of this team; "" for those without a team; None for all.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
        """
        prefix = usage_prefix(team) if team is not None else ""
        if len(prefix.encode()) > _MAX_SORT_KEY_BYTES:
            # DynamoDB rejects a search for it.
            return
        for day in days:
            for item in self._partition(f"{UsagePartition.USAGE}{day}", prefix):
                yield decode_usage(item)

    def lost_leases(self, days: Iterable[str], *, now: datetime) -> Iterator[StoredLease]:
        """Yield the leases of UTC days that were not settled in time. They count as spent.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
        """
        for day in days:
            for item in self._partition(f"{UsagePartition.LEASES}{day}", ""):
                lease = decode_lease(item)
                if lease.lost_at <= now:
                    yield lease

    def counted(self, batch_id: str) -> frozenset[str]:
        """Return the ids of a batch's invocations whose usage is counted. The read is eventually consistent.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
        """
        items = self._partition(f"{UsagePartition.COUNTED}{batch_id}", "")
        return frozenset(item[TableAttribute.SORT_KEY]["S"] for item in items)

    def spending(self, limits: Sequence[PeriodLimit]) -> tuple[PeriodSpending, ...]:
        """Return what is spent in the periods of limits, in their order. The read is eventually consistent.

        Raises:
            BotoCoreError, ClientError, UsageTableUnavailable: the table cannot be read.
        """
        found: dict[tuple[str, str], Item] = {}
        keys = [period_key(limit) for limit in limits]
        for start in range(0, len(keys), _MAX_KEYS):
            found |= self._items(keys[start : start + _MAX_KEYS])
        return tuple(
            decode_period(limit, found.get(_identity(key), {}))
            for limit, key in zip(limits, keys, strict=True)
        )

    def _items(self, keys: Sequence[Item]) -> dict[tuple[str, str], Item]:
        found: dict[tuple[str, str], Item] = {}
        wanted: Mapping[str, Any] = {self.name: {"Keys": keys}}
        for _ in range(_READS):
            response = self.client.batch_get_item(RequestItems=wanted)
            found |= {_identity(item): item for item in response["Responses"].get(self.name, ())}
            wanted = response["UnprocessedKeys"]
            if not wanted:
                return found
        raise UsageTableUnavailable("the usage table throttles reads")

    def _partition(self, partition: str, prefix: str) -> Iterator[Item]:
        condition = f"{TableAttribute.PARTITION_KEY} = :partition"
        values = {":partition": {"S": partition}}
        if prefix:
            condition += f" AND begins_with({TableAttribute.SORT_KEY}, :prefix)"
            values[":prefix"] = {"S": prefix}
        query = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        start: Mapping[str, Any] | None = None
        while True:
            page = self.client.query(**query, **({"ExclusiveStartKey": start} if start else {}))
            yield from page["Items"]
            start = page.get("LastEvaluatedKey")
            if not start:
                return


def _identity(item: Item) -> tuple[str, str]:
    return item[TableAttribute.PARTITION_KEY]["S"], item[TableAttribute.SORT_KEY]["S"]
