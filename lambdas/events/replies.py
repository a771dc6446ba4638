"""Where outcomes go: the event bus, the reply queue that was asked for, the bucket when they are large."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.events.envelopes import Asked, Job
from lambdas.events.process import Outcome
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.event_bus import publish
from lambdas.shared.problems import Problem
from lambdas.shared.settings import batch_settings, event_settings

NOT_TAKEN: Final = "reply-not-taken"

# EventBridge and SQS take 256 KiB with everything around it.
MAX_REPLY_BYTES = 200_000


@dataclass(frozen=True)
class Address:
    """Where one request's outcome goes, besides the bus.

    Attributes:
        result_key: where it lies in the bucket, if it does.
        keep: whether it lies there in any case.
        queue: ARN of the queue that is told.
    """

    result_key: str
    keep: bool = False
    queue: str | None = None


def address_of(job: Job | None, *, message_id: str) -> Address:
    """Where the outcome of a job goes; of a message that holds none, for None.

    Raises:
        InvalidRequest: the job names a queue that is not configured.
    """
    if not isinstance(job, Asked):
        return Address(_result_key("message", message_id))
    return Address(_result_key(*job.key), queue=_reply_queue(job.reply_to))


def stored_address(request_id: str) -> Address:
    """Where the outcome of a request goes that lies in the bucket."""
    return Address(f"requests/{request_id}/result.json", keep=True)


@dataclass(frozen=True)
class Reply:
    """An outcome on its way to all who shall know."""

    outcome: Outcome
    address: Address

    @cached_property
    def _text(self) -> str:
        return fitting(self.outcome, self.address, max_bytes=MAX_REPLY_BYTES)

    def tell_bus(self) -> None:
        """Tell it to all who listen.

        Raises:
            NotPublished, ClientError: not all know it.
        """
        publish("LLM Answer" if self.outcome.problem is None else "LLM Failure", self._text)

    def tell_queue(self) -> None:
        """Tell it to the queue that was asked for, if any was.

        Raises:
            Problem: `NOT_TAKEN`. Its queue may be gone, or not let this function send.
            ClientError: it is large, and the bucket does not take it.
        """
        queue = self.address.queue
        if queue is None:
            return
        text = self._text
        try:
            clients.sqs(_region(queue)).send_message(QueueUrl=_queue_url(queue), MessageBody=text)
        except (BotoCoreError, ClientError) as error:
            why = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            detail = f"The queue of replyTo does not take the outcome, which the event bus was told: {why}."
            raise Problem(502, NOT_TAKEN, detail) from error


def fitting(outcome: Outcome, address: Address, *, max_bytes: int) -> str:
    """The outcome as JSON text of ASCII alone, or where it lies in the bucket if it is longer than that."""
    told = outcome.to_json()
    # SQS refuses some of the characters that JSON may hold unescaped.
    text = json.dumps(told, separators=(",", ":"), allow_nan=False)
    bucket = batch_settings().bucket
    if address.keep or len(text) > max_bytes:
        clients.s3().put_object(
            Bucket=bucket, Key=address.result_key, Body=text.encode(), ContentType="application/json"
        )
    if len(text) <= max_bytes:
        return text
    uri = f"s3://{bucket}/{address.result_key}"
    return json.dumps({"requestId": told["requestId"], "status": told["status"], "resultS3Uri": uri})


def _reply_queue(reply_to: Any) -> str | None:
    if reply_to is None:
        return None
    queues = event_settings().reply_queues
    if isinstance(reply_to, str):
        for arn in queues:
            if reply_to == arn or _path(reply_to) == _account_and_name(arn):
                return arn
    configured = ", ".join(queues) or "none; see the setting reply_queues"
    raise InvalidRequest([f"replyTo: must be ARN or URL of a configured queue (configured: {configured})"])


def _path(url: str) -> list[str]:
    """Account and name in a queue's URL. Its host is not looked at: nothing is ever sent to it."""
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


def _result_key(*names: str) -> str:
    """A key for a result whose request chose its names freely."""
    return f"requests/{hashlib.sha256(json.dumps(names).encode()).hexdigest()}/result.json"
