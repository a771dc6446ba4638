"""A request that is sent twice runs once: the second one gets the answer of the first one.

Powertools' Idempotency keeps the records, one item a key in the request table. Its import takes about 100 ms,
so it waits for the first request with a key.

What a request starts elsewhere (an execution, a queued request) has an id that is fixed before it starts, in
an item of its own: when the function ends without recording the answer, the next attempt uses the same id.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.shared import clients
from lambdas.shared.json_text import dump
from lambdas.shared.observability import logger
from lambdas.shared.settings import batch_settings, request_table

# How long a key is remembered.
KEPT_SECONDS = 24 * 3600
# DynamoDB takes 400 KB an item.
MAX_ITEM_BYTES = 300_000

T = TypeVar("T")


class KeyReused(Exception):
    """The key came with another request before."""


class InProgress(Exception):
    """The first request with this key is not answered yet."""


class StoreUnavailable(Exception):
    """It cannot be determined whether the key came before, so the request was not run."""


@dataclass(frozen=True)
class Once(Generic[T]):
    """An answer.

    Attributes:
        answer: what `work` returned, now or the first time.
        replayed: whether it is the answer of an earlier request.
    """

    answer: T
    replayed: bool


def run_once(
    key: tuple[str, ...], body: Mapping[str, Any], work: Callable[[], T], *, context: Any
) -> Once[T]:
    """Do the work, or return the answer of the request that came with this key before.

    Of two at the same time, one works. A failure is not kept: with the same key again, the work is done
    again. The same holds when the function ended without recording anything, once its time (`context`) is
    over.

    Args:
        key: identifies the request, such as the entry point, the caller, and the key that it sent.
        body: the request; with the same key it must be the same.
        work: returns JSON-ready data. What it raises passes through.
        context: Lambda's, for the time that is left to the work.

    Raises:
        KeyReused, InProgress, StoreUnavailable: the work was not done.
    """
    from aws_lambda_powertools.utilities import idempotency
    from aws_lambda_powertools.utilities.idempotency import exceptions

    id_ = _digest(key)
    done: list[T] = []

    def record(**_request: Any) -> dict[str, Any]:
        done.append(work())
        return _kept(id_, done[0])

    once = idempotency.idempotent_function(
        record,
        data_keyword_argument="request",
        persistence_store=_store(),
        config=_config(context),
        key_prefix="request",
    )
    try:
        kept = once(request={"key": id_, "body": body})
    except exceptions.IdempotencyValidationError:
        raise KeyReused from None
    except exceptions.IdempotencyAlreadyInProgressError:
        raise InProgress from None
    except Exception as error:
        if done:
            # The answer is there and paid for: its sender shall have it, even if a second one would not.
            logger.warning("answer not kept", extra={"error_type": type(error.__cause__ or error).__name__})
            return Once(done[0], replayed=False)
        unavailable = (
            exceptions.IdempotencyPersistenceLayerError,
            exceptions.IdempotencyInconsistentStateError,
        )
        if isinstance(error, unavailable):
            raise StoreUnavailable from error
        raise
    return Once(done[0], replayed=False) if done else Once(_restored(kept), replayed=True)


def fixed_id(key: tuple[str, ...], body: Mapping[str, Any], proposed: str) -> str:
    """Return the id for what a request starts: `proposed`, or the one that an earlier attempt has fixed.

    Args:
        key, body: as for `run_once`.

    Raises:
        KeyReused: the earlier attempt had another body, and may have started something.
        StoreUnavailable: the id could not be fixed.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    item = {
        "id": {"S": f"started#{_digest(key)}"},
        "started": {"S": proposed},
        "body": {"S": digest},
        "expires_at": {"N": str(int(time.time()) + KEPT_SECONDS)},
    }
    try:
        found = _put_unless_there(item)
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable from error
    if found["body"]["S"] != digest:
        raise KeyReused
    return str(found["started"]["S"])


def _put_unless_there(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put an item unless there is one that has not expired; the one that is there then."""
    dynamodb = clients.dynamodb()
    try:
        dynamodb.put_item(
            TableName=request_table(),
            Item=item,
            ConditionExpression="attribute_not_exists(id) OR expires_at < :now",
            ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        there = dynamodb.get_item(TableName=request_table(), Key={"id": item["id"]}, ConsistentRead=True)
        found: Mapping[str, Any] | None = there.get("Item")
        # Deleted since, for it has expired.
        return found if found is not None else _put_unless_there(item)
    return item


def _digest(key: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _kept(id_: str, answer: Any) -> dict[str, Any]:
    """The record of an answer; a large one lies in S3."""
    # Powertools writes ASCII: what is no ASCII takes more room than in UTF-8.
    if len(json.dumps(answer)) <= MAX_ITEM_BYTES:
        return {"answer": answer}
    key = f"requests/{id_}/answer.json"
    clients.s3().put_object(Bucket=batch_settings().bucket, Key=key, Body=dump(answer))
    return {"answerKey": key}


def _restored(kept: Mapping[str, Any]) -> Any:
    if "answer" in kept:
        return kept["answer"]
    stored = clients.s3().get_object(Bucket=batch_settings().bucket, Key=kept["answerKey"])
    return json.loads(stored["Body"].read())


def _config(context: Any) -> Any:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig

    return IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="body",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=KEPT_SECONDS,
        hash_function="sha256",
        lambda_context=context,
    )


@cache
def _store() -> Any:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    store = DynamoDBPersistenceLayer(
        request_table(), key_attr="id", expiry_attr="expires_at", boto3_client=clients.dynamodb()
    )
    # Left to its first use, two threads that are the first would find it half configured.
    store.configure(_config(None))
    return store
