"""What any of the event sources sends, taken out of its envelopes: one kind of job, whoever sent it.

| sender             | what arrives                                                                    |
| ------------------ | ------------------------------------------------------------------------------- |
| SQS, direct invoke | the request                                                                     |
| SNS                | `{"Type": "Notification", "MessageId", "Message": the text of any of the others}` |
| EventBridge        | `{"detail-type": "LLM Request", "id", "detail": the request}`                   |
| the HTTP API       | `{"requestId", "requestKey"}`: the request lies in the bucket                   |
| S3                 | `{"source": "aws.s3", "detail": …}`: a batch file was put under `inbox/`        |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lambdas.shared.codec import MAX_ID_LENGTH, InvalidRequest
from lambdas.shared.event_bus import SOURCE
from lambdas.shared.json_text import InvalidJson, parse
from lambdas.shared.problems import Problem

INBOX = "inbox/"
DETAIL_TYPE = "LLM Request"
MAX_KEY_LENGTH = 256
OWN_OUTCOME: Final = "own-outcome"
_FILE_TYPE = "Object Created"
_MAX_OBJECT_KEY_LENGTH = 1024

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ID_MEMBERS = ("requestId", "request_id")
# What this door tells of a request.
_OUTCOME_MEMBERS = {"requestId", "status", "answer", "error", "resultS3Uri"}
# What a request in an event may say beside what `POST /v1/converse` takes.
_OWN_MEMBERS = (*_ID_MEMBERS, "replyTo", "idempotencyKey")


@dataclass(frozen=True)
class Asked:
    """A request that the message carries.

    Attributes:
        request_id: its own, or that of what brought it.
        key: the same for every delivery of the same request.
        body: what `POST /v1/converse` would be sent, unchecked.
        reply_to: the queue that wants the outcome as well, unchecked.
        caller: who sent it, where that is known.
    """

    request_id: str
    key: tuple[str, ...]
    body: Mapping[str, Any]
    reply_to: Any = None
    caller: str | None = None


@dataclass(frozen=True)
class Stored:
    """A request that the HTTP API has put into the bucket.

    Attributes:
        caller: who sent it to the API.
    """

    request_id: str
    caller: str | None = None

    @property
    def request_key(self) -> str:
        """Where it lies."""
        return f"requests/{self.request_id}/request.json"


@dataclass(frozen=True)
class Dropped:
    """A file that was put into the bucket to be run as a batch.

    Attributes:
        version: what tells this content of the object from another one.
    """

    bucket: str
    key: str
    version: str


Job = Asked | Stored | Dropped


def read_text(text: str, *, message_id: str) -> Job:
    """The job that a message's text describes.

    Args:
        message_id: the queue's; names the request, and tells it from others, where nothing else does.

    Raises:
        InvalidRequest: it describes none.
        Problem: `OWN_OUTCOME`. A rule or a queue has led back what this stack has told.
    """
    try:
        return read(parse(text), message_id=message_id)
    except InvalidJson as error:
        raise InvalidRequest([f"message: {error}"]) from None


def read(data: Any, *, message_id: str) -> Job:
    """`read_text` for what is parsed already."""
    if not isinstance(data, dict):
        raise InvalidRequest(["message: must be a JSON object"])
    if data.get("Type") == "Notification" and "TopicArn" in data:
        return _notification(data)
    if "detail-type" in data:
        return _event(data, message_id)
    if "requestKey" in data:
        return _stored(data)
    if "status" in data and data.keys() <= _OUTCOME_MEMBERS:
        raise _own_outcome()
    return _asked(data, default_id=message_id, source="message")


def _notification(data: Mapping[str, Any]) -> Job:
    id_, text = data.get("MessageId"), data.get("Message")
    if not isinstance(id_, str) or not isinstance(text, str):
        raise InvalidRequest(["message: an SNS notification must hold the strings MessageId and Message"])
    try:
        inner = parse(text)
    except InvalidJson as error:
        raise InvalidRequest([f"Message: {error}"]) from None
    if isinstance(inner, dict) and inner.get("Type") == "Notification":
        raise InvalidRequest(["Message: must be a request (got another SNS notification)"])
    return read(inner, message_id=id_)


def _event(data: Mapping[str, Any], message_id: str) -> Job:
    detail = data.get("detail")
    if not isinstance(detail, dict):
        raise InvalidRequest(["detail: must be an object"])
    is_file = data.get("source") == "aws.s3"
    wanted = _FILE_TYPE if is_file else DETAIL_TYPE
    if data["detail-type"] != wanted:
        if data.get("source") == SOURCE:
            raise _own_outcome()
        raise InvalidRequest([f"detail-type: must be {wanted} (got {data['detail-type']!r:.80})"])
    if is_file:
        return _dropped(detail)
    id_ = data.get("id")
    return _asked(detail, default_id=id_ if isinstance(id_, str) and id_ else message_id, source="event")


def _own_outcome() -> Problem:
    return Problem(400, OWN_OUTCOME, "This is what the stack has told of a request or batch, and no request.")


def _dropped(detail: Mapping[str, Any]) -> Dropped:
    match detail:
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}:
            version = more.get("version-id") or more.get("etag") or more.get("sequencer")
            if not key.startswith(INBOX) or not key.endswith(".jsonl") or len(key) > _MAX_OBJECT_KEY_LENGTH:
                raise InvalidRequest([f"detail.object.key: must be {INBOX}*.jsonl (got {key!r:.200})"])
            return Dropped(bucket, key, str(version))
    raise InvalidRequest(["detail: must name bucket.name and object.key"])


def _stored(data: Mapping[str, Any]) -> Stored:
    id_ = data.get("requestId")
    if not isinstance(id_, str) or not _REQUEST_ID.fullmatch(id_):
        raise InvalidRequest(["requestId: must be 1 to 80 letters, digits, - and _"])
    caller = data.get("caller")
    stored = Stored(id_, caller if isinstance(caller, str) else None)
    # The key is not believed: who may send a message may not read the whole bucket by it.
    if data["requestKey"] != stored.request_key:
        raise InvalidRequest([f"requestKey: must be {stored.request_key}"])
    return stored


def _asked(data: Mapping[str, Any], *, default_id: str, source: str) -> Asked:
    key = _text(data, ("idempotencyKey",), MAX_KEY_LENGTH)
    return Asked(
        request_id=_text(data, _ID_MEMBERS, MAX_ID_LENGTH) or default_id,
        key=("caller", key) if key is not None else (source, default_id),
        body={member: value for member, value in data.items() if member not in _OWN_MEMBERS},
        reply_to=data.get("replyTo"),
    )


def _text(data: Mapping[str, Any], names: Sequence[str], max_length: int) -> str | None:
    """The member that has one of these names, or None."""
    given = [name for name in names if data.get(name) is not None]
    if len(given) > 1:
        raise InvalidRequest([f"{given[1]}: given twice, also as {given[0]}"])
    value = data[given[0]] if given else None
    if value is None or (isinstance(value, str) and 0 < len(value) <= max_length):
        return value
    raise InvalidRequest([f"{given[0]}: must be a string of 1 to {max_length} characters"])
