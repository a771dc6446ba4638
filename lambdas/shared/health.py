"""Which targets cool down, shared by all functions through the catalog's table.

An item has `pk` = "health", `sk` = "what@region" (what: a model, an access method, or "*" for every model),
`until` (N, seconds since 1970) and the same, rounded up, as `expires_at`, by which DynamoDB deletes it some
time later; readers go by `until`.

Powertools' circuit breaker is not used: it wraps one dependency and refuses calls while that is down. Here
a target that cools is tried last and never refused, which only the route of a call can decide; and the
breaker looks up its state before calls that go well, where this table is not read.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from lambdas.shared import clients
from lambdas.shared.metrics import ALL_COOLING, put_metrics
from lambdas.shared.settings import model_settings
from llmmanager.bedrock.routing.cooldown import Cooldowns, Key

_PARTITION = "health"
# Only a batch worker makes calls at once, and it has time.
_PATIENCE_SECONDS = 1.0


@cache
def cooldowns() -> Cooldowns:
    """The cooldowns of this process, with a board that all processes share."""
    return Cooldowns(board=HealthBoard(model_settings().table), patience=_PATIENCE_SECONDS)


def count_all_cooling(*, door: str) -> None:
    """Write down how many calls have found each of their targets cooling since this was last done.

    Of calls side by side, one counts for all: the sum is right.
    """
    calls = cooldowns().take_all_cooling()
    if calls:
        put_metrics({ALL_COOLING: calls}, by={}, properties={"door": door})


class HealthBoard:
    """A `Board` in a DynamoDB table with the keys `pk` and `sk`, both strings."""

    def __init__(self, table_name: str) -> None:
        self._table = table_name
        self._making_a_client = threading.Lock()
        self._known_client: Any = None

    def publish(self, key: Key, until: float) -> None:
        """See `Board`. A shorter time than is known already changes nothing.

        Raises:
            BotoCoreError, ClientError: the table cannot be written.
        """
        client = self._client()
        moment = {"N": f"{until:.3f}"}
        item = {
            "pk": {"S": _PARTITION},
            "sk": {"S": "@".join(key)},
            "until": moment,
            "expires_at": {"N": str(math.ceil(until))},
        }
        try:
            client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk) OR #until < :until",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":until": moment},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return

    def read(self) -> Mapping[Key, float]:
        """See `Board`.

        Raises:
            BotoCoreError, ClientError: the table cannot be read.
        """
        answer = self._client().query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _PARTITION}},
        )
        return {_key(item): float(item["until"]["N"]) for item in answer["Items"]}

    def _client(self) -> Any:
        with self._making_a_client:
            if self._known_client is None:
                # Health is a hint.
                self._known_client = clients.new_hasty_dynamodb(read_timeout=1, attempts=1)
            return self._known_client


def _key(item: Mapping[str, Any]) -> Key:
    what, _, region = item["sk"]["S"].rpartition("@")
    return what, region
