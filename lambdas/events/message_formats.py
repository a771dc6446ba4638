"""Decode the messages of all event sources into jobs.

| sender             | message                                                                        |
| ------------------ | ------------------------------------------------------------------------------ |
| SQS, direct invoke | the request                                                                    |
| SNS                | `{"Type": "Notification", "MessageId", "Message": the text of another format}` |
| EventBridge        | `{"detail-type": "LLM Request", "id", "detail": the request}`                  |
| the HTTP API       | `{"requestId", "requestKey"}`: the request is stored in the bucket             |
| S3                 | `{"source": "aws.s3", "detail": …}`: a batch file was created under `inbox/`   |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lambdas.contract import JSON_LINES_SUFFIX, BucketPrefix, DetailType, EventSource
from lambdas.shared.problems import Problem
from lambdas.shared.stored_requests import is_request_id, request_key
from llmmanager.json_format.codec import MAX_ID_LENGTH, InvalidRequest
from llmmanager.json_format.json_text import InvalidJson, parse

MAX_KEY_LENGTH = 256
OWN_OUTCOME: Final = "own-outcome"
_MAX_OBJECT_KEY_LENGTH = 1024

_ID_MEMBERS = ("requestId", "request_id")
# Members of the outcomes that this function sends.
_OUTCOME_MEMBERS = {"requestId", "status", "answer", "error", "resultS3Uri"}
# Members that a request in a message can have in addition to those of `POST /v1/converse`.
_OWN_MEMBERS = (*_ID_MEMBERS, "replyTo", "idempotencyKey")


@dataclass(frozen=True)
class InlineRequest:
    """A request in the message itself.

    Attributes:
        request_id: the request's own id, or the id of the message or event.
        key: identifies the request; the same for every delivery.
        body: the body of a `POST /v1/converse`, not validated.
        reply_to: the reply queue for the outcome, not validated.
        caller: the sender's identity, where it is known.
    """

    request_id: str
    key: tuple[str, ...]
    body: Mapping[str, Any]
    reply_to: Any = None
    caller: str | None = None


@dataclass(frozen=True)
class StoredRequest:
    """A request that the HTTP API has stored in the bucket.

    Attributes:
        caller: the identity that called the API.
    """

    request_id: str
    caller: str | None = None


@dataclass(frozen=True)
class BatchFile:
    """A file in the bucket that starts a batch.

    Attributes:
        version: identifies the content of the object: a version id, an ETag or a sequencer.
    """

    bucket: str
    key: str
    version: str


Job = InlineRequest | StoredRequest | BatchFile


def read_text(text: str, *, message_id: str) -> Job:
    """Return the job in the text of a message.

    Args:
        message_id: the queue's id of the message. It identifies a request that has no other id.

    Raises:
        InvalidRequest: the text has none of the formats.
        Problem: `OWN_OUTCOME`. A rule has sent an outcome of this stack to the request queue.
    """
    try:
        return read(parse(text), message_id=message_id)
    except InvalidJson as error:
        raise InvalidRequest([f"message: {error}"]) from None


def read(data: Any, *, message_id: str) -> Job:
    """Return the job in a parsed message; arguments and errors as for `read_text`."""
    if not isinstance(data, dict):
        raise InvalidRequest(["message: must be a JSON object"])
    if data.get("Type") == "Notification" and "TopicArn" in data:
        return _read_notification(data)
    if "detail-type" in data:
        return _read_event(data, message_id)
    if "requestKey" in data:
        return _read_stored_request(data)
    if "status" in data and data.keys() <= _OUTCOME_MEMBERS:
        raise _own_outcome()
    return _read_inline_request(data, default_id=message_id, source="message")


def _read_notification(data: Mapping[str, Any]) -> Job:
    id_, text = data.get("MessageId"), data.get("Message")
    if not isinstance(id_, str) or not isinstance(text, str):
        raise InvalidRequest(["message: an SNS notification must have the strings MessageId and Message"])
    try:
        inner = parse(text)
    except InvalidJson as error:
        raise InvalidRequest([f"Message: {error}"]) from None
    if isinstance(inner, dict) and inner.get("Type") == "Notification":
        raise InvalidRequest(["Message: must be a request (got another SNS notification)"])
    return read(inner, message_id=id_)


def _read_event(data: Mapping[str, Any], message_id: str) -> Job:
    detail = data.get("detail")
    if not isinstance(detail, dict):
        raise InvalidRequest(["detail: must be an object"])
    is_file = data.get("source") == EventSource.S3
    expected = DetailType.OBJECT_CREATED if is_file else DetailType.REQUEST
    if data["detail-type"] != expected:
        if data.get("source") == EventSource.OWN:
            raise _own_outcome()
        raise InvalidRequest([f"detail-type: must be {expected} (got {data['detail-type']!r:.80})"])
    if is_file:
        return _read_batch_file(detail)
    id_ = data.get("id")
    default_id = id_ if isinstance(id_, str) and id_ else message_id
    return _read_inline_request(detail, default_id=default_id, source="event")


def _own_outcome() -> Problem:
    detail = "The message is an outcome that this stack has sent, not a request. Check the event rules."
    return Problem(OWN_OUTCOME, detail)


def _read_batch_file(detail: Mapping[str, Any]) -> BatchFile:
    match detail:
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}:
            version = more.get("version-id") or more.get("etag") or more.get("sequencer")
            is_inbox_file = key.startswith(BucketPrefix.INBOX) and key.endswith(JSON_LINES_SUFFIX)
            if not is_inbox_file or len(key) > _MAX_OBJECT_KEY_LENGTH:
                accepted = f"{BucketPrefix.INBOX}*{JSON_LINES_SUFFIX}"
                raise InvalidRequest([f"detail.object.key: must be {accepted} (got {key!r:.200})"])
            return BatchFile(bucket, key, str(version))
    raise InvalidRequest(["detail: must have the strings bucket.name and object.key"])


def _read_stored_request(data: Mapping[str, Any]) -> StoredRequest:
    id_ = data.get("requestId")
    if not isinstance(id_, str) or not is_request_id(id_):
        raise InvalidRequest(["requestId: must be 1 to 80 letters, digits, - and _"])
    # The key must follow from the id: a sender of messages must not read other objects of the bucket.
    if data["requestKey"] != request_key(id_):
        raise InvalidRequest([f"requestKey: must be {request_key(id_)}"])
    caller = data.get("caller")
    return StoredRequest(id_, caller if isinstance(caller, str) else None)


def _read_inline_request(data: Mapping[str, Any], *, default_id: str, source: str) -> InlineRequest:
    key = _read_string(data, ("idempotencyKey",), MAX_KEY_LENGTH)
    return InlineRequest(
        request_id=_read_string(data, _ID_MEMBERS, MAX_ID_LENGTH) or default_id,
        key=("caller", key) if key is not None else (source, default_id),
        body={member: value for member, value in data.items() if member not in _OWN_MEMBERS},
        reply_to=data.get("replyTo"),
    )


def _read_string(data: Mapping[str, Any], names: Sequence[str], max_length: int) -> str | None:
    """Return the value of the member that has one of these names, or None."""
    given = [name for name in names if data.get(name) is not None]
    if len(given) > 1:
        raise InvalidRequest([f"{given[1]}: given twice, also as {given[0]}"])
    value = data[given[0]] if given else None
    if value is None or (isinstance(value, str) and 0 < len(value) <= max_length):
        return value
    raise InvalidRequest([f"{given[0]}: must be a string of 1 to {max_length} characters"])
