"""Cooldowns of targets, shared by all functions through the catalog's table.

An item has `pk` = "health", `sk` = "scope@region" (scope: a model, an access method, or "*" for every model),
`until` (N, seconds since 1970), and the same time, rounded up, as `expires_at`, after which DynamoDB deletes
the item. Readers use `until`.

Powertools' circuit breaker is not used. It wraps one dependency and rejects calls while that is down, but a
cooling target is tried last and not rejected, which depends on the other targets of the call. It also reads
its state before each call, while this table is not read as long as calls succeed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from lambdas.contract import COOLDOWN_PARTITION, Metric, TableAttribute
from lambdas.shared import clients
from lambdas.shared.metrics import ENTRY_POINT_FIELD, put_metrics
from lambdas.shared.settings import model_settings
from llmmanager.bedrock.routing.cooldown import Cooldowns, Key

# Only a batch worker makes parallel calls, and it has time to wait for the table.
_PATIENCE_SECONDS = 1.0
_ABSENT_OR_EARLIER = f"attribute_not_exists({TableAttribute.PARTITION_KEY}) OR #until < :until"


@cache
def cooldowns() -> Cooldowns:
    """Return the cooldowns of this process, with the store that all processes share."""
    return Cooldowns(store=SharedCooldownStore(model_settings().table), patience=_PATIENCE_SECONDS)


def count_all_cooling(*, entry_point: str) -> None:
    """Write the metric of calls whose targets were all cooling, counted since the last call of this function.

    With parallel calls, one may write the count of several. The sum is correct.
    """
    calls = cooldowns().take_all_cooling()
    if calls:
        put_metrics({Metric.ALL_COOLING: calls}, by={}, properties={ENTRY_POINT_FIELD: entry_point})


class SharedCooldownStore:
    """A store of cooldowns in a DynamoDB table with the string keys `pk` and `sk`."""

    def __init__(self, table_name: str) -> None:
        self._table = table_name
        self._client_lock = threading.Lock()
        self._cached_client: Any = None

    def publish(self, key: Key, until: float) -> None:
        """Store until when a target cools, in seconds since 1970, unless a later time is stored.

        Raises:
            BotoCoreError, ClientError: the table cannot be written.
        """
        client = self._client()
        value = {"N": f"{until:.3f}"}
        item = {
            TableAttribute.PARTITION_KEY: {"S": COOLDOWN_PARTITION},
            TableAttribute.SORT_KEY: {"S": "@".join(key)},
            "until": value,
            TableAttribute.EXPIRES_AT: {"N": str(math.ceil(until))},
        }
        try:
            client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=_ABSENT_OR_EARLIER,
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":until": value},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return

    def read(self) -> Mapping[Key, float]:
        """Return until when each target cools.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
        """
        response = self._client().query(
            TableName=self._table,
            KeyConditionExpression=f"{TableAttribute.PARTITION_KEY} = :partition",
            ExpressionAttributeValues={":partition": {"S": COOLDOWN_PARTITION}},
        )
        return {_key(item): float(item["until"]["N"]) for item in response["Items"]}

    def _client(self) -> Any:
        with self._client_lock:
            if self._cached_client is None:
                # Short timeouts: a call must not wait for a hint.
                self._cached_client = clients.new_short_timeout_dynamodb(read_timeout=1, attempts=1)
            return self._cached_client


def _key(item: Mapping[str, Any]) -> Key:
    scope, _, region = item[TableAttribute.SORT_KEY]["S"].rpartition("@")
    return scope, region
