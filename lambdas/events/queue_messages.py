"""Process messages of the request queue: answer them, delay them, or move them to the dead-letter queue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from lambdas.contract import PROBLEM_ATTRIBUTE
from lambdas.events import replies
from lambdas.events.answer_request import (
    Outcome,
    answer_request,
    answer_request_once,
    load_request,
    message_problem,
)
from lambdas.events.inbox import start_batch_of_file
from lambdas.events.message_formats import (
    OWN_OUTCOME,
    BatchFile,
    InlineRequest,
    Job,
    StoredRequest,
    read_text,
)
from lambdas.shared import clients
from lambdas.shared.function_log import log_unexpected, logger
from lambdas.shared.idempotency import InProgress, run_once
from lambdas.shared.problems import Problem
from lambdas.shared.settings import event_settings
from llmmanager.json_format.codec import InvalidRequest

# Delays of 5, 20, 80 and 320 s. Together they last longer than the idempotency record of a stopped function.
_FIRST_DELAY_SECONDS = 5
_DELAY_FACTOR = 4
_MAX_DELAY_SECONDS = 900
_MAX_REASON_LENGTH = 1000
_UNPRINTABLE = re.compile(r"[^\n\t -~]")
# Problems with fewer tries than `max_tries`. Each try is paid for. A request that runs out of time twice is
# too long, or Bedrock is too slow for it.
_MAX_TRIES = {"deadline-exceeded": 2}
# Problems without a failure event: the outcome was published already. A rule that sends outcomes to the
# request queue would otherwise return each failure event to this function, without end.
_WITHOUT_EVENT = {replies.NOT_TAKEN, OWN_OUTCOME}


@dataclass(frozen=True)
class QueueMessage:
    """A message in the event of an SQS event source.

    Attributes:
        receives: number of deliveries, including this one.
    """

    id: str
    text: str
    receipt: str
    receives: int

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> QueueMessage:
        """Return the message in a record of the event."""
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        return cls(record["messageId"], record["body"], record["receiptHandle"], receives)


def process_message(message: QueueMessage, context: Any) -> bool:
    """Process a message, and return whether the queue can delete it.

    A failure event is published, and the message moves to the dead-letter queue with the reason, if the
    problem is permanent or the last try has failed. After an earlier failure the queue delivers the message
    again. The queue delivers a message one time more than `max_tries`. On this delivery the function only
    reports the failure, because it has stopped during each try.
    """
    try:
        return _process(message, context)
    except InProgress:
        logger.info("message in progress", extra={"message_id": message.id})
    except Exception as error:
        # The failure could not be reported either. The queue's redrive policy handles the message.
        log_unexpected(error)
    _delay(message)
    return False


def _process(message: QueueMessage, context: Any) -> bool:
    job: Job | None = None
    try:
        job = read_text(message.text, message_id=message.id)
        _run(job, message, context)
    except InProgress:
        raise
    except Exception as error:
        problem = message_problem(error, reference=message.id)
        final = _is_final(problem, message)
        logger.info(
            "message failed",
            extra={
                "message_id": message.id,
                "problem": problem.slug,
                "receives": message.receives,
                "final": final,
            },
        )
        if not final:
            _delay(message)
            return False
        _fail(message, job, problem, context)
    return True


def _is_final(problem: Problem, message: QueueMessage) -> bool:
    max_tries = event_settings().max_tries
    is_permanent = problem.status < 500 and problem.status != HTTPStatus.TOO_MANY_REQUESTS
    return is_permanent or message.receives >= min(_MAX_TRIES.get(problem.slug, max_tries), max_tries)


def _run(job: Job, message: QueueMessage, context: Any) -> None:
    if isinstance(job, BatchFile):
        start_batch_of_file(job)
        return
    request = load_request(job) if isinstance(job, StoredRequest) else job
    destination = _destination(job, message)
    # The request may have an answer nevertheless: another message of the invocation can stop the function.
    work = _raise_never_ended if message.receives > event_settings().max_tries else answer_request
    answer = answer_request_once(request, context, work=work)
    reply = replies.Reply(Outcome(request.request_id, answer=answer), destination)
    _run_once(("answered", *request.key), reply.publish_event, context)
    if destination.queue_arn is not None:
        # A step of its own: when the queue rejects the reply, a later try does not publish the event again.
        _run_once(("replied", *request.key), reply.send_to_queue, context)


def _raise_never_ended(_request: InlineRequest, _context: Any) -> dict[str, Any]:
    tries = event_settings().max_tries
    detail = f"{tries} tries ended without an outcome: the function stopped, or could not send the outcome."
    raise Problem("never-ended", detail)


def _destination(job: Job | None, message: QueueMessage) -> replies.Destination:
    if isinstance(job, StoredRequest):
        return replies.stored_request_destination(job.request_id)
    return replies.job_destination(job, message_id=message.id)


def _fail(message: QueueMessage, job: Job | None, problem: Problem, context: Any) -> None:
    """Publish the failure, and move the message to the dead-letter queue."""
    try:
        destination = _destination(job, message)
    except InvalidRequest:
        # The reply queue of the request is invalid.
        destination = _destination(None, message)
    request_id = job.request_id if isinstance(job, InlineRequest | StoredRequest) else message.id

    def report() -> None:
        if problem.slug not in _WITHOUT_EVENT:
            _send_failure(replies.Reply(Outcome(request_id, problem=problem), destination))
        _move_to_dead_letter_queue(message, request_id, problem)

    # The key is not the request's: a request that is sent again from the dead-letter queue may fail again.
    _run_once(("failed", message.id), report, context)


def _send_failure(failure: replies.Reply) -> None:
    failure.publish_event()
    try:
        failure.send_to_queue()
    except Problem as problem:
        # No retry: the event is published, and the message moves to the dead-letter queue.
        logger.warning(
            "failure not sent to the reply queue",
            extra={"reply_queue": failure.destination.queue_arn, "reason": problem.detail},
        )


def _run_once(key: tuple[str, ...], work: Callable[[], None], context: Any) -> None:
    def run() -> dict[str, Any]:
        work()
        return {}

    run_once(("events", *key), {}, run, context=context)


def _move_to_dead_letter_queue(message: QueueMessage, request_id: str, problem: Problem) -> None:
    reason = "; ".join(problem.errors) or problem.detail
    details = {
        PROBLEM_ATTRIBUTE: problem.slug,
        "reason": reason[:_MAX_REASON_LENGTH],
        "requestId": request_id,
        "messageId": message.id,
    }
    attributes = {
        name: {"DataType": "String", "StringValue": _printable(value)} for name, value in details.items()
    }
    copy = {"QueueUrl": event_settings().dead_letter_queue_url, "MessageBody": message.text}
    try:
        clients.sqs().send_message(**copy, MessageAttributes=attributes)
    except ClientError as error:
        # Attributes count toward the size limit of a message, and the body may leave no room for them.
        # The reason is not logged: it may quote the request.
        del details["reason"]
        details["error"] = error.response["Error"]["Code"]
        logger.info("moved to the dead-letter queue without a reason", extra=details)
        clients.sqs().send_message(**copy)


def _printable(text: str) -> str:
    """Return the text as a valid value of an SQS attribute: without control characters, and not empty."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text) or "-"


def _delay(message: QueueMessage) -> None:
    """Shorten the visibility timeout of the message; the queue's own is six times the function's timeout."""
    delay = _FIRST_DELAY_SECONDS * _DELAY_FACTOR ** (message.receives - 1)
    try:
        clients.sqs().change_message_visibility(
            QueueUrl=event_settings().request_queue_url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=min(delay, _MAX_DELAY_SECONDS),
        )
    except Exception as error:
        log_unexpected(error)
