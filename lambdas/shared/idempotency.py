"""Run a request once: a repeated request gets the answer of the first one.

Powertools' Idempotency stores a record for each key in the request table. Its import takes about 100 ms, so
it is imported with the first key.

A request that starts something else (an execution, a queued request) stores the new id in an item of its own
before it starts. If the function stops before it records the answer, the next attempt uses the same id.
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

from lambdas.contract import TableAttribute
from lambdas.shared import clients
from lambdas.shared.function_log import logger
from lambdas.shared.problems import Problem
from lambdas.shared.settings import batch_settings, request_table
from lambdas.shared.stored_requests import answer_key
from llmmanager.json_format.json_text import dump

# How long a key is stored.
EXPIRY_SECONDS = 24 * 3600
# DynamoDB's limit for an item is 400 KB.
MAX_ITEM_BYTES = 300_000

_ABSENT_OR_EXPIRED = f"attribute_not_exists({TableAttribute.ID}) OR {TableAttribute.EXPIRES_AT} < :now"

T = TypeVar("T")


class IdempotencyError(Exception):
    """The request was not run because of its key."""


class KeyReused(IdempotencyError):
    """The key was used before, with another request."""


class InProgress(IdempotencyError):
    """The first request with this key is still in progress."""


class StoreUnavailable(IdempotencyError):
    """The request table is unavailable."""


@dataclass(frozen=True)
class Result(Generic[T]):
    """The answer to a request.

    Attributes:
        answer: the return value of `work`, from this request or an earlier one.
        replayed: whether it is from an earlier request.
    """

    answer: T
    replayed: bool


def run_once(
    key: tuple[str, ...], body: Mapping[str, Any], work: Callable[[], T], *, context: Any
) -> Result[T]:
    """Return the answer to an earlier request with this key, or else call `work`.

    Of two simultaneous requests, one runs. A failure is not recorded: the next request with the same key runs
    again. If the function stops before it records the answer, requests with the same key run again after the
    function's timeout.

    Args:
        key: identifies the request, such as the entry point, the caller, and the caller's key.
        body: the request. It must be the same for the same key.
        work: returns JSON-ready data. Its exceptions are not caught.
        context: Lambda's context, for the time until the function's timeout.

    Raises:
        KeyReused, InProgress, StoreUnavailable: `work` was not called.
    """
    from aws_lambda_powertools.utilities import idempotency
    from aws_lambda_powertools.utilities.idempotency import exceptions

    id_ = _digest(key)
    answers: list[T] = []

    def record(**_request: Any) -> dict[str, Any]:
        answers.append(work())
        return _encode_answer(id_, answers[0])

    once = idempotency.idempotent_function(
        record,
        data_keyword_argument="request",
        persistence_store=_store(),
        config=_config(context),
        key_prefix="request",
    )
    try:
        recorded = once(request={"key": id_, "body": body})
    except exceptions.IdempotencyValidationError:
        raise KeyReused from None
    except exceptions.IdempotencyAlreadyInProgressError:
        raise InProgress from None
    except Exception as error:
        unavailable = (
            exceptions.IdempotencyPersistenceLayerError,
            exceptions.IdempotencyInconsistentStateError,
        )
        if not answers and isinstance(error, unavailable):
            raise StoreUnavailable from error
        if not answers:
            raise
        # The answer is paid for, so return it, although a repeated request would run again.
        logger.warning("answer not recorded", extra={"error_type": type(error.__cause__ or error).__name__})
    if answers:
        return Result(answers[0], replayed=False)
    return Result(_decode_answer(recorded), replayed=True)


def fixed_id(key: tuple[str, ...], body: Mapping[str, Any], proposed: str) -> str:
    """Return the id for what a request starts: `proposed`, or the id that an earlier attempt has stored.

    Args:
        key, body: as for `run_once`.

    Raises:
        KeyReused: an earlier attempt had another body, and may have started something.
        StoreUnavailable: the id could not be stored.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    item = {
        TableAttribute.ID: {"S": f"started#{_digest(key)}"},
        "started": {"S": proposed},
        "body": {"S": digest},
        TableAttribute.EXPIRES_AT: {"N": str(int(time.time()) + EXPIRY_SECONDS)},
    }
    try:
        found = _put_if_absent(item)
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable from error
    if found["body"]["S"] != digest:
        raise KeyReused
    return str(found["started"]["S"])


def idempotency_problem(error: IdempotencyError, *, name: str) -> Problem:
    """Return the problem for an error of `run_once`.

    Args:
        name: the field or header with the key.
    """
    wait = {"Retry-After": "5"}
    match error:
        case KeyReused():
            detail = f"This {name} was used before, with another request. Use a new key for each request."
            return Problem("idempotency-key-reused", detail)
        case InProgress():
            detail = f"The first request with this {name} is still in progress."
            return Problem("in-progress", detail, headers=wait)
    detail = "The table of earlier requests is unavailable, so the request was not run."
    return Problem("store-unavailable", detail, headers=wait)


def _put_if_absent(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the item in the table that has not expired, or else put this one and return it."""
    dynamodb = clients.dynamodb()
    try:
        dynamodb.put_item(
            TableName=request_table(),
            Item=item,
            ConditionExpression=_ABSENT_OR_EXPIRED,
            ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        key = {TableAttribute.ID: item[TableAttribute.ID]}
        response = dynamodb.get_item(TableName=request_table(), Key=key, ConsistentRead=True)
        found: Mapping[str, Any] | None = response.get("Item")
        # Without an item: it has expired and was deleted meanwhile.
        return found if found is not None else _put_if_absent(item)
    return item


def _digest(key: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _encode_answer(id_: str, answer: Any) -> dict[str, Any]:
    """Return the data of a record: the answer, or the key of an object with a large answer."""
    # Powertools writes ASCII, in which other characters are longer than in UTF-8.
    if len(json.dumps(answer)) <= MAX_ITEM_BYTES:
        return {"answer": answer}
    key = answer_key(id_)
    clients.s3().put_object(Bucket=batch_settings().bucket, Key=key, Body=dump(answer))
    return {"answerKey": key}


def _decode_answer(data: Mapping[str, Any]) -> Any:
    if "answer" in data:
        return data["answer"]
    stored = clients.s3().get_object(Bucket=batch_settings().bucket, Key=data["answerKey"])
    return json.loads(stored["Body"].read())


def _config(context: Any) -> Any:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig

    return IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="body",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=EXPIRY_SECONDS,
        hash_function="sha256",
        lambda_context=context,
    )


@cache
def _store() -> Any:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    store = DynamoDBPersistenceLayer(
        request_table(),
        key_attr=TableAttribute.ID,
        expiry_attr=TableAttribute.EXPIRES_AT,
        boto3_client=clients.dynamodb(),
    )
    # Configured here, because its configuration at the first use is not thread-safe.
    store.configure(_config(None))
    return store
