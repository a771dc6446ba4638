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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.shared.codec import InvalidRequest, record_id
from lambdas.shared.json_text import InvalidJson, parse

INBOX = "inbox/"
DETAIL_TYPE = "LLM Request"
MAX_KEY_LENGTH = 256

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
# What a request in an event may say beside what it asks of a model.
_OWN_MEMBERS = ("models", "regions", "replyTo", "idempotencyKey")


@dataclass(frozen=True)
class Asked:
    """A request that the message carries.

    Attributes:
        request_id: its own, or that of what brought it.
        key: the same for every delivery of the same request.
        record: the request as the codec reads it.
        models, regions: what it chooses of those configured, unchecked; None for all.
        reply_to: the queue that wants the outcome as well, unchecked.
    """

    request_id: str
    key: tuple[str, ...]
    record: Mapping[str, Any]
    models: Any = None
    regions: Any = None
    reply_to: Any = None


@dataclass(frozen=True)
class Stored:
    """A request that the HTTP API has put into the bucket."""

    request_id: str

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
    return _asked(data, default_id=message_id, source="message")


def asked(data: Mapping[str, Any], *, request_id: str) -> Asked:
    """A request that is known by `request_id`, from its JSON.

    Raises:
        InvalidRequest: it names itself, or its own key, wrongly.
    """
    return _asked(data, default_id=request_id, source="request")


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
    if data.get("source") == "aws.s3":
        return _dropped(detail)
    if data["detail-type"] != DETAIL_TYPE:
        raise InvalidRequest([f"detail-type: must be {DETAIL_TYPE} (got {data['detail-type']!r:.80})"])
    id_ = data.get("id")
    return _asked(detail, default_id=id_ if isinstance(id_, str) and id_ else message_id, source="event")


def _dropped(detail: Mapping[str, Any]) -> Dropped:
    match detail:
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}:
            version = more.get("version-id") or more.get("etag") or more.get("sequencer")
            if not key.startswith(INBOX) or not key.endswith(".jsonl"):
                raise InvalidRequest([f"detail.object.key: must be {INBOX}*.jsonl (got {key!r:.200})"])
            return Dropped(bucket, key, str(version))
    raise InvalidRequest(["detail: must name bucket.name and object.key"])


def _stored(data: Mapping[str, Any]) -> Stored:
    id_ = data.get("requestId")
    if not isinstance(id_, str) or not _REQUEST_ID.fullmatch(id_):
        raise InvalidRequest(["requestId: must be 1 to 80 letters, digits, - and _"])
    stored = Stored(id_)
    # The key is not believed: who may send a message may not read the whole bucket by it.
    if data["requestKey"] != stored.request_key:
        raise InvalidRequest([f"requestKey: must be {stored.request_key}"])
    return stored


def _asked(data: Mapping[str, Any], *, default_id: str, source: str) -> Asked:
    record = {key: value for key, value in data.items() if key not in _OWN_MEMBERS}
    key = data.get("idempotencyKey")
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH):
        raise InvalidRequest([f"idempotencyKey: must be a string of 1 to {MAX_KEY_LENGTH} characters"])
    return Asked(
        request_id=record_id(data) or default_id,
        key=("caller", key) if key is not None else (source, default_id),
        record=record,
        models=data.get("models"),
        regions=data.get("regions"),
        reply_to=data.get("replyTo"),
    )
