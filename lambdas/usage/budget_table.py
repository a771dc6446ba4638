"""The budgets in the usage table, and how their scopes are known while the table cannot be reached.

The stack's bucket has an empty object `budgets/<scope>/<SHA-256 of the name>` for each scope with a budget.
One object per scope needs no update of a shared list, in which concurrent changes could be lost.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.contract import BucketPrefix, TableAttribute, UsagePartition
from lambdas.shared import clients
from lambdas.shared.function_log import logger
from lambdas.shared.outage import KnownOutage, Outage, usage_table_outage
from lambdas.shared.problems import Problem
from lambdas.shared.settings import batch_settings, usage_table
from lambdas.shared.time_text import format_time, parse_time
from lambdas.usage.budget import Budget, BudgetScope, NamedScope, Period

MAX_NAME_BYTES: Final = 1000
"""Maximum length of a name in UTF-8. DynamoDB limits a sort key to 1,024 bytes."""

# DynamoDB returns only a part of the items while it throttles.
_READS: Final = 3
_RETRY_AFTER_SECONDS: Final = 5
# Scopes that a process remembers.
_MAX_KNOWN: Final = 10_000
_Item = Mapping[str, Any]


class BudgetsUnavailable(Problem):
    """The budgets cannot be read, and at least one scope of the call has a budget or may have one."""

    def __init__(self) -> None:
        super().__init__(
            "store-unavailable",
            "The table of budgets is unavailable, and this call may have a budget. No model was called. "
            "Retry later.",
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        )


class InvalidBudgetToken(Exception):
    """The token is not that of a page of budgets."""


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """A part of the list of budgets, in the order of scope and name.

    Attributes:
        token: the token of the next page; None for the last page.
    """

    budgets: tuple[Budget, ...]
    token: str | None


@cache
def budget_table() -> BudgetTable:
    """Return the deployment's table. A call waits for it, and for the bucket, at most two seconds each."""
    return BudgetTable(
        clients.dynamodb_with_short_timeouts(),
        usage_table(),
        s3=lambda: clients.new_short_timeout_s3(read_timeout=1, attempts=2),
        bucket=batch_settings().bucket,
        outage=usage_table_outage(),
    )


class BudgetTable:
    """The table of budgets. Its methods are thread-safe."""

    def __init__(self, client: Any, name: str, *, s3: Callable[[], Any], bucket: str, outage: Outage) -> None:
        """Return the table.

        Args:
            client: a DynamoDB client of botocore.
            name: name of the usage table.
            s3: returns an S3 client of botocore. It is called only when the client is needed.
            bucket: the stack's bucket.
            outage: whether the table cannot be reached.
        """
        self._client = client
        self._name = name
        self._new_s3 = s3
        self._bucket = bucket
        self._outage = outage
        self._bucket_outage = Outage()
        self._lock = threading.Lock()
        self._cached_s3: Any = None
        # Whether a scope had a budget when it was last read.
        self._known: dict[NamedScope, bool] = {}

    def find(self, scopes: Iterable[NamedScope]) -> tuple[Budget, ...]:
        """Return the budgets of these scopes, in their order. The read is consistent.

        If the table cannot be reached, scopes without budgets have none: those that had none when this
        process read them last, or else those without an object in the bucket.

        Raises:
            BudgetsUnavailable: the table cannot be reached, and a scope has a budget or may have one.
        """
        named = [scope for scope in dict.fromkeys(scopes) if len(scope[1].encode()) <= MAX_NAME_BYTES]
        if not named:
            return ()
        try:
            with self._outage.noted():
                found = self._read(named)
        except (BotoCoreError, ClientError, BudgetsUnavailable, KnownOutage) as error:
            logger.warning("budgets cannot be read", extra={"error_type": type(error).__name__})
            self._check_unbudgeted(named)
            return ()
        for scope in named:
            self._remember(scope, scope in found)
        return tuple(found[scope] for scope in named if scope in found)

    def get(self, scope: BudgetScope, name: str) -> Budget | None:
        """Return a budget, or None if the scope has none.

        Raises:
            BotoCoreError, ClientError, BudgetsUnavailable: the table cannot be read.
        """
        return self._read([(scope, name)]).get((scope, name))

    def put(self, budget: Budget) -> None:
        """Store a budget, which replaces the one that its scope has.

        Raises:
            BotoCoreError, ClientError: the budget may not be stored. Repeat the call.
        """
        self._client.put_item(TableName=self._name, Item=_encode(budget))
        self._remember(budget.named_scope, True)
        self._mark(budget.named_scope)

    def delete(self, scope: BudgetScope, name: str) -> Budget | None:
        """Delete a budget and return it, or None if the scope has none.

        Raises:
            BotoCoreError, ClientError: the budget may not be deleted. Repeat the call.
        """
        named = (scope, name)
        deleted = self._client.delete_item(TableName=self._name, Key=_key(named), ReturnValues="ALL_OLD")
        # Also if there was no item: an earlier call may have ended here.
        self._s3().delete_object(Bucket=self._bucket, Key=_object_key(named))
        if self.get(scope, name) is not None:
            # The budget was set again before its object was deleted.
            self._mark(named)
        else:
            self._remember(named, False)
        return _decode(deleted["Attributes"]) if "Attributes" in deleted else None

    def page(self, *, limit: int, token: str | None = None) -> BudgetPage:
        """Return a page of all budgets.

        Args:
            limit: maximum number of budgets.
            token: the token of the page, from the page before it.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
            InvalidBudgetToken: the token is invalid.
        """
        start = {"ExclusiveStartKey": _key(_scope_of_token(token))} if token is not None else {}
        found = self._client.query(
            TableName=self._name,
            KeyConditionExpression=f"{TableAttribute.PARTITION_KEY} = :budgets",
            ExpressionAttributeValues={":budgets": {"S": UsagePartition.BUDGETS}},
            ConsistentRead=True,
            Limit=limit + 1,
            **start,
        )
        budgets = tuple(map(_decode, found["Items"]))
        more = len(budgets) > limit or "LastEvaluatedKey" in found
        kept = budgets[:limit]
        return BudgetPage(kept, _sort_key(kept[-1].named_scope) if more and kept else None)

    def _read(self, scopes: Sequence[NamedScope]) -> dict[NamedScope, Budget]:
        wanted: Mapping[str, Any] = {
            self._name: {"Keys": [_key(scope) for scope in scopes], "ConsistentRead": True}
        }
        budgets: list[Budget] = []
        for _ in range(_READS):
            response = self._client.batch_get_item(RequestItems=wanted)
            budgets += map(_decode, response["Responses"].get(self._name, ()))
            wanted = response["UnprocessedKeys"]
            if not wanted:
                return {budget.named_scope: budget for budget in budgets}
        raise BudgetsUnavailable

    def _check_unbudgeted(self, scopes: Iterable[NamedScope]) -> None:
        with self._lock:
            known = {scope: self._known.get(scope) for scope in scopes}
        # What is known needs no request.
        if True in known.values():
            raise BudgetsUnavailable
        for scope, is_budgeted in known.items():
            if is_budgeted is None and self._is_marked(scope):
                raise BudgetsUnavailable

    def _is_marked(self, scope: NamedScope) -> bool:
        key = _object_key(scope)
        try:
            with self._bucket_outage.noted():
                found = self._s3().list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        except (BotoCoreError, ClientError, KnownOutage) as error:
            raise BudgetsUnavailable from error
        is_marked = any(entry["Key"] == key for entry in found.get("Contents", ()))
        self._remember(scope, is_marked)
        return is_marked

    def _mark(self, scope: NamedScope) -> None:
        self._s3().put_object(Bucket=self._bucket, Key=_object_key(scope), Body=b"")

    def _remember(self, scope: NamedScope, is_budgeted: bool) -> None:
        with self._lock:
            self._known.pop(scope, None)
            self._known[scope] = is_budgeted
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def _s3(self) -> Any:
        with self._lock:
            if self._cached_s3 is None:
                self._cached_s3 = self._new_s3()
            return self._cached_s3


def _object_key(scope: NamedScope) -> str:
    return f"{BucketPrefix.BUDGETS}{scope[0].value}/{hashlib.sha256(scope[1].encode()).hexdigest()}"


def _sort_key(scope: NamedScope) -> str:
    return f"{scope[0].value}:{scope[1]}"


def _key(scope: NamedScope) -> dict[str, Any]:
    return {
        TableAttribute.PARTITION_KEY: {"S": UsagePartition.BUDGETS},
        TableAttribute.SORT_KEY: {"S": _sort_key(scope)},
    }


def _scope_of_token(token: str) -> NamedScope:
    scope, _, name = token.partition(":")
    if scope not in set(BudgetScope) or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        raise InvalidBudgetToken
    return BudgetScope(scope), name


def _encode(budget: Budget) -> dict[str, Any]:
    return {
        **_key(budget.named_scope),
        **{period.value: {"N": str(limit)} for period, limit in budget.limits.items()},
        "updated": {"S": format_time(budget.updated)},
        "updated_by": {"S": budget.updated_by},
    }


def _decode(item: _Item) -> Budget:
    scope, _, name = item[TableAttribute.SORT_KEY]["S"].partition(":")
    return Budget(
        scope=BudgetScope(scope),
        name=name,
        limits={period: int(item[period.value]["N"]) for period in Period if period.value in item},
        updated=parse_time(item["updated"]["S"]),
        updated_by=item["updated_by"]["S"],
    )
