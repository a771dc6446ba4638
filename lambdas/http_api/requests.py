"""Requests that are answered later: taken by POST /v1/converse, told of by GET /v1/requests/{id}."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError

from lambdas.http_api.calls import Answer, Call
from lambdas.shared import clients
from lambdas.shared.json_text import dump
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import batch_settings, request_lost_seconds, request_queue_url

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MISSING = {"NoSuchKey", "404", "NotFound"}
_LOST = Problem(504, "lost", "Nothing answered this request while it was kept in the queue. Send it again.")


def is_preferred(call: Call) -> bool:
    """Whether the caller would rather have the answer later, and there is a queue to have it so."""
    wishes = (call.header("Prefer") or "").lower().split(",")
    return "respond-async" in {wish.partition(";")[0].strip() for wish in wishes} and bool(
        request_queue_url()
    )


def submit(body: Mapping[str, Any], call: Call, id_: str) -> Answer:
    """Store the body of a call, which must be valid, and queue it as the request of this id.

    Repeated with the same id, it is answered once all the same.
    """
    key = _key(id_, "request")
    clients.s3().put_object(
        Bucket=batch_settings().bucket, Key=key, Body=dump(body), ContentType="application/json"
    )
    message = {"requestId": id_, "requestKey": key, "caller": call.caller}
    clients.sqs().send_message(QueueUrl=request_queue_url(), MessageBody=json.dumps(message))
    link = f"/v1/requests/{id_}"
    return Answer(
        202,
        {"requestId": id_, "status": "pending", "links": {"self": link}},
        # Followed as it is, where links begin at the API's URL, its stage included.
        {"Location": call.base + link, "Preference-Applied": "respond-async"},
    )


def get(id_: str) -> Answer:
    """A request's outcome: the answer, or the problem instead of one; `pending` before there is either.

    Of a request that is older than anything works at one, it is told that it was lost.

    Raises:
        Problem: there is no such request.
    """
    if not _ID.fullmatch(id_):
        raise not_found(f"request {id_[:80]}")
    outcome = _read(_key(id_, "result"))
    if outcome is not None:
        return Answer(200, json.loads(outcome))
    taken_at = _written_at(_key(id_, "request"))
    if taken_at is None:
        raise not_found(f"request {id_}")
    if (datetime.now(UTC) - taken_at).total_seconds() > request_lost_seconds():
        return Answer(200, {"requestId": id_, "status": "failed", "error": _LOST.document()})
    return Answer(200, {"requestId": id_, "status": "pending", "links": {"self": f"/v1/requests/{id_}"}})


def _key(id_: str, name: str) -> str:
    return f"requests/{id_}/{name}.json"


def _read(key: str) -> bytes | None:
    found = _if_there(lambda: clients.s3().get_object(Bucket=batch_settings().bucket, Key=key))
    return None if found is None else bytes(found["Body"].read())


def _written_at(key: str) -> datetime | None:
    found = _if_there(lambda: clients.s3().head_object(Bucket=batch_settings().bucket, Key=key))
    return None if found is None else cast(datetime, found["LastModified"])


def _if_there(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What S3 answers; None where there is no such object."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
