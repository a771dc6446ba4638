"""Send outcomes: to the event bus, to the requested reply queue, and to the bucket if they are large."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.contract import DetailType
from lambdas.events.answer_request import Outcome
from lambdas.events.message_formats import InlineRequest, Job
from lambdas.shared import clients, stored_requests
from lambdas.shared.event_bus import publish
from lambdas.shared.problems import Problem
from lambdas.shared.settings import batch_settings, event_settings
from llmmanager.json_format.codec import InvalidRequest

NOT_TAKEN: Final = "reply-not-taken"

# The limit of EventBridge and SQS is 256 KiB, including everything around the text.
MAX_REPLY_BYTES = 200_000


@dataclass(frozen=True)
class Destination:
    """Where the outcome of a request is sent, in addition to the event bus.

    Attributes:
        result_key: the outcome's key in the bucket, if it is stored.
        always_stored: whether the outcome is stored even if it is small.
        queue_arn: the reply queue.
    """

    result_key: str
    always_stored: bool = False
    queue_arn: str | None = None


def job_destination(job: Job | None, *, message_id: str) -> Destination:
    """Return the destination for the outcome of a job, or of a message that could not be decoded (None).

    Raises:
        InvalidRequest: the request names a reply queue that is not configured.
    """
    if not isinstance(job, InlineRequest):
        return Destination(stored_requests.hashed_result_key("message", message_id))
    return Destination(stored_requests.hashed_result_key(*job.key), queue_arn=_reply_queue(job.reply_to))


def stored_request_destination(request_id: str) -> Destination:
    """Return the destination for the outcome of a stored request."""
    return Destination(stored_requests.result_key(request_id), always_stored=True)


@dataclass(frozen=True)
class Reply:
    """An outcome and its destination."""

    outcome: Outcome
    destination: Destination

    @cached_property
    def _text(self) -> str:
        return to_text(self.outcome, self.destination, max_bytes=MAX_REPLY_BYTES)

    def publish_event(self) -> None:
        """Publish the outcome on the event bus.

        Raises:
            NotPublished, ClientError: the event was not published, or the outcome not stored.
        """
        publish(DetailType.ANSWER if self.outcome.problem is None else DetailType.FAILURE, self._text)

    def send_to_queue(self) -> None:
        """Send the outcome to the reply queue, if there is one.

        Raises:
            Problem: `NOT_TAKEN`. The queue may be deleted, or may deny access to this function.
            ClientError: the outcome could not be stored.
        """
        arn = self.destination.queue_arn
        if arn is None:
            return
        text = self._text
        try:
            clients.sqs(_region(arn)).send_message(QueueUrl=_queue_url(arn), MessageBody=text)
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            detail = f"The queue of replyTo rejected the outcome ({code}). The event bus has it."
            raise Problem(NOT_TAKEN, detail) from error


def to_text(outcome: Outcome, destination: Destination, *, max_bytes: int) -> str:
    """Return the outcome as ASCII JSON text, or store it and return its URI if it exceeds `max_bytes`."""
    data = outcome.to_json()
    # ASCII only: SQS rejects some characters that are valid in JSON.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    bucket = batch_settings().bucket
    if destination.always_stored or len(text) > max_bytes:
        clients.s3().put_object(
            Bucket=bucket, Key=destination.result_key, Body=text.encode(), ContentType="application/json"
        )
    if len(text) <= max_bytes:
        return text
    uri = f"s3://{bucket}/{destination.result_key}"
    return json.dumps({"requestId": data["requestId"], "status": data["status"], "resultS3Uri": uri})


def _reply_queue(reply_to: Any) -> str | None:
    """Return the ARN of the configured queue that `replyTo` names."""
    if reply_to is None:
        return None
    queues = event_settings().reply_queues
    if isinstance(reply_to, str):
        for arn in queues:
            if reply_to == arn or _url_account_and_name(reply_to) == _account_and_name(arn):
                return arn
    configured = ", ".join(queues) or "none; see the setting reply_queues"
    raise InvalidRequest(
        [f"replyTo: must be the ARN or URL of a configured queue (configured: {configured})"]
    )


def _url_account_and_name(url: str) -> list[str]:
    """Return account and name from a queue's URL. The host is ignored, because nothing is sent to it."""
    try:
        return urlsplit(url).path.split("/")[-2:]
    except ValueError:
        return []


def _account_and_name(arn: str) -> list[str]:
    return arn.split(":")[-2:]


def _region(arn: str) -> str:
    return arn.split(":")[3]


@cache
def _queue_url(arn: str) -> str:
    account, name = _account_and_name(arn)
    found = clients.sqs(_region(arn)).get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
    return str(found["QueueUrl"])
