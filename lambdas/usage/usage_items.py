"""The items of the usage table, beside the definitions of budgets.

| pk | sk | content |
| --- | --- | --- |
| `spent#<scope>:<name>` | `day:2026-12-01` or `month:2026-12` | `committed`: nano-dollars spent or reserved; `reserved`; `reported_80`: the limit for which 80 % was reported; `reporting_80`: until when a caller reports it |
| `lease#<day>` | id of the lease | a reservation: `cost` in nano-dollars, tokens, who reserved it, in which periods, and `lost_at` |
| `usage#<day>` | JSON list of team, caller, key and model, and of a number for a spare row | the counts of `UsageCounts` |
| `counted#<batch>` | id of an invocation | its usage is counted |

The period is part of the key, so nothing is reset. DynamoDB deletes items some time after `expires_at`.
"""  # noqa: E501

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lambdas.contract import TableAttribute, UsagePartition
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, Lease, StoredLease
from lambdas.usage.period_limit import PeriodLimit, PeriodSpending
from lambdas.usage.usage_counts import COUNTS, UsageCounts, UsageKey

RETENTION: Final = timedelta(days=400)
_COMMITTED: Final = "committed"
_RESERVED: Final = "reserved"
_COST: Final = "cost"
_REPORTED: Final = "reported_"
_CLAIM: Final = "reporting_"
_LIMIT: Final = ":limit"
_EXPIRES: Final = ":expires"
# Names in the sort key of a row of usage.
_NAMES: Final = 4
Item = Mapping[str, Any]
Write = dict[str, dict[str, Any]]
"""A write of a transaction: its action, with the parameters except for the table."""


def change_period(limit: PeriodLimit, *, committed: int, reserved: int, checked: bool = False) -> Write:
    """Return the write that adds to what is spent or reserved in a period.

    Args:
        checked: whether the write fails if the limit would be exceeded.
    """
    write = _add(
        period_key(limit), {_COMMITTED: committed, _RESERVED: reserved}, expires=limit.resets_at + RETENTION
    )
    if checked:
        room = limit.limit - committed
        exists = "attribute_not_exists(#committed) OR " if room >= 0 else ""
        write["Update"] |= {
            "ConditionExpression": f"{exists}#committed <= :room",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        write["Update"]["ExpressionAttributeValues"][":room"] = _number(room)
    return write


def period_key(limit: PeriodLimit) -> dict[str, Any]:
    """Return the key of a period's item."""
    return _key(UsagePartition.SPENT, limit.scope_key, limit.period_key)


def period_identity(limit: PeriodLimit) -> tuple[str, str]:
    """Return what identifies the item of a period."""
    return limit.scope_key, limit.period_key


def decode_period(limit: PeriodLimit, item: Item) -> PeriodSpending:
    """Return what is spent in a period. An item that does not exist is empty."""
    return PeriodSpending(
        limit=limit,
        committed=_read(item, _COMMITTED),
        reserved=_read(item, _RESERVED),
        reported={
            int(name.removeprefix(_REPORTED)): int(value["N"])
            for name, value in item.items()
            if name.startswith(_REPORTED)
        },
    )


def claim_report(limit: PeriodLimit, threshold: int, *, now: float, until: float) -> dict[str, Any]:
    """Return the parameters of an update that reserves the report of a threshold for one caller.

    The update fails if the threshold is reported for this limit, or another caller reports it.

    Args:
        threshold: in percent.
        now, until: the time, and when the claim ends if it has no other end, in seconds since 1970.
    """
    update = _update_report(
        limit,
        threshold,
        f"SET #claim = :until, {TableAttribute.EXPIRES_AT} = {_EXPIRES}",
        {
            _LIMIT: _number(limit.limit),
            ":now": _number(int(now)),
            ":until": _number(int(until)),
            _EXPIRES: _expiry(limit.resets_at + RETENTION),
        },
    )
    update["ExpressionAttributeNames"] |= _report_names(threshold)
    is_unreported = f"(attribute_not_exists(#mark) OR #mark <> {_LIMIT})"
    is_free = "(attribute_not_exists(#claim) OR #claim < :now)"
    return {**update, "ConditionExpression": f"{is_unreported} AND {is_free}"}


def mark_reported(limit: PeriodLimit, threshold: int) -> dict[str, Any]:
    """Return the parameters of an update that marks a claimed threshold as reported for this limit."""
    expression = f"SET #mark = {_LIMIT} REMOVE #claim"
    return _update_report(limit, threshold, expression, {_LIMIT: _number(limit.limit)})


def release_report(limit: PeriodLimit, threshold: int) -> dict[str, Any]:
    """Return the parameters of an update that ends a claim without a report."""
    return _update_report(limit, threshold, "REMOVE #claim", {})


def put_lease(lease: Lease) -> Write:
    """Return the write that stores a new lease."""
    texts = {
        "team": lease.caller.team,
        "caller": lease.caller.id,
        "key_id": lease.caller.key_id,
        "model": lease.model,
    }
    numbers = {
        _COST: lease.allowance.cost,
        "input_tokens": lease.allowance.input_tokens,
        "output_tokens": lease.allowance.output_tokens,
        "lost_at": math.ceil(lease.lost_at.timestamp()),
        TableAttribute.EXPIRES_AT: math.ceil((lease.lost_at + RETENTION).timestamp()),
    }
    periods = [{"L": [{"S": limit.scope_key}, {"S": limit.period_key}]} for limit in lease.limits]
    item = {
        **_lease_key(lease),
        **{name: {"S": text} for name, text in texts.items()},
        **{name: _number(number) for name, number in numbers.items()},
        "periods": {"L": periods},
    }
    return {
        "Put": {
            "Item": item,
            "ConditionExpression": f"attribute_not_exists({TableAttribute.PARTITION_KEY})",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def extend_lease(lease: Lease, more: Allowance, *, model: str) -> Write:
    """Return the write that adds to a lease. It fails if the lease is not as it is known."""
    added = {
        _COST: more.cost,
        "input_tokens": more.input_tokens,
        "output_tokens": more.output_tokens,
    }
    write = _add(_lease_key(lease), added)
    write["Update"]["UpdateExpression"] += " SET #model = :model"
    write["Update"]["ExpressionAttributeNames"]["#model"] = "model"
    write["Update"]["ExpressionAttributeValues"] |= {":model": {"S": model}}
    return _only_if_known(write, lease)


def delete_lease(lease: Lease) -> Write:
    """Return the write that deletes a lease. It fails if the lease is not as it is known."""
    write: Write = {
        "Delete": {
            "Key": _lease_key(lease),
            "ExpressionAttributeNames": {f"#{_COST}": _COST},
            "ExpressionAttributeValues": {},
        }
    }
    return _only_if_known(write, lease)


def stored_cost(item: Item) -> int:
    """Return the nano-dollars that a stored lease reserves."""
    return _read(item, _COST)


def add_usage(key: UsageKey, counts: UsageCounts, *, now: datetime, spare: int = 0) -> Write:
    """Return the write that adds to a row of usage.

    Args:
        now: the time from which the row is kept.
        spare: the number of a spare row, or 0 for the row itself.
    """
    numbers = {name: getattr(counts, name) for name in COUNTS}
    added = {name: number for name, number in numbers.items() if number}
    return _add(_usage_key(key, spare), added, expires=now + RETENTION)


def put_counted(batch_id: str, invocation: str, *, now: datetime) -> Write:
    """Return the write that marks the usage of an invocation as counted. It fails if it is marked."""
    key = _key(UsagePartition.COUNTED, batch_id, invocation)
    return {
        "Put": {
            "Item": {**key, TableAttribute.EXPIRES_AT: _expiry(now + RETENTION)},
            "ConditionExpression": f"attribute_not_exists({TableAttribute.PARTITION_KEY})",
        }
    }


def usage_prefix(team: str) -> str:
    """Return the beginning of the sort keys of a team's rows."""
    return json.dumps([team], ensure_ascii=False).removesuffix("]") + ","


def decode_usage(item: Item) -> tuple[UsageKey, UsageCounts]:
    """Return a row of usage, or a spare row, whose counts belong to the row."""
    day = item[TableAttribute.PARTITION_KEY]["S"].removeprefix(UsagePartition.USAGE)
    team, caller, key_id, model = json.loads(item[TableAttribute.SORT_KEY]["S"])[:_NAMES]
    key = UsageKey(day=day, team=team, caller=caller, key_id=key_id, model=model)
    return key, UsageCounts(**{name: _read(item, name) for name in COUNTS})


def decode_lease(item: Item) -> StoredLease:
    """Return a stored lease."""
    return StoredLease(
        day=item[TableAttribute.PARTITION_KEY]["S"].removeprefix(UsagePartition.LEASES),
        id=item[TableAttribute.SORT_KEY]["S"],
        caller=Caller(item["caller"]["S"], item["team"]["S"], item["key_id"]["S"]),
        model=item["model"]["S"],
        allowance=Allowance(
            cost=_read(item, _COST),
            input_tokens=_read(item, "input_tokens"),
            output_tokens=_read(item, "output_tokens"),
        ),
        lost_at=datetime.fromtimestamp(_read(item, "lost_at"), UTC),
    )


def _update_report(
    limit: PeriodLimit, threshold: int, expression: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    names = _report_names(threshold).items()
    return {
        "Key": period_key(limit),
        "UpdateExpression": expression,
        # DynamoDB rejects names that are not used.
        "ExpressionAttributeNames": {name: attribute for name, attribute in names if name in expression},
        **({"ExpressionAttributeValues": dict(values)} if values else {}),
    }


def _report_names(threshold: int) -> dict[str, str]:
    return {"#mark": f"{_REPORTED}{threshold}", "#claim": f"{_CLAIM}{threshold}"}


def _only_if_known(write: Write, lease: Lease) -> Write:
    """Add the condition that the lease is stored with the cost that is known."""
    for parameters in write.values():
        parameters |= {
            "ConditionExpression": f"#{_COST} = :known",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        parameters["ExpressionAttributeValues"][":known"] = _number(lease.allowance.cost)
    return write


def _add(key: Mapping[str, Any], added: Mapping[str, int], *, expires: datetime | None = None) -> Write:
    """Return the write that adds to the numbers of an item, which it creates if it does not exist."""
    # All names are placeholders, because DynamoDB reserves many words, such as "committed".
    names = {f"#{name}": name for name in added}
    values = {f":{name}": _number(number) for name, number in added.items()}
    expression = f"ADD {', '.join(f'#{name} :{name}' for name in added)}"
    if expires is not None:
        expression += f" SET {TableAttribute.EXPIRES_AT} = {_EXPIRES}"
        values[_EXPIRES] = _expiry(expires)
    return {
        "Update": {
            "Key": key,
            "UpdateExpression": expression,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
    }


def _usage_key(key: UsageKey, spare: int) -> dict[str, Any]:
    names = [key.team, key.caller, key.key_id, key.model, *([spare] if spare else [])]
    return _key(UsagePartition.USAGE, key.day, json.dumps(names, ensure_ascii=False))


def _lease_key(lease: Lease) -> dict[str, Any]:
    return _key(UsagePartition.LEASES, lease.day, lease.id)


def _key(partition: str, name: str, sort_key: str) -> dict[str, Any]:
    return {
        TableAttribute.PARTITION_KEY: {"S": f"{partition}{name}"},
        TableAttribute.SORT_KEY: {"S": sort_key},
    }


def _expiry(time: datetime) -> dict[str, str]:
    return _number(math.ceil(time.timestamp()))


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _read(item: Item, name: str) -> int:
    return int(item.get(name, {"N": "0"})["N"])
