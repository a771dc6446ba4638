"""Messages of the request queue: answered, or put off, or given up for good with a word about why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.events import replies
from lambdas.events.envelopes import OWN_OUTCOME, Asked, Dropped, Job, Stored, read_text
from lambdas.events.inbox import start_batch
from lambdas.events.process import Outcome, answer, answer_once, as_problem, load
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.idempotency import InProgress, run_once
from lambdas.shared.observability import log_unexpected, logger
from lambdas.shared.problems import Problem
from lambdas.shared.settings import event_settings

# 5 s, 20 s, 80 s, 320 s: longer in all than a lost function's claim on a request lasts.
_FIRST_PAUSE_SECONDS = 5
_PAUSE_FACTOR = 4
_MAX_PAUSE_SECONDS = 900
_MAX_REASON_LENGTH = 1000
_UNPRINTABLE = re.compile(r"[^\n\t -~]")
# How often a request is tried that ends so: each time is paid for, and what ran out of time twice is too
# long, or Bedrock too slow.
_TRIES = {"deadline-exceeded": 2}
# What has been told already; told as a failure, an outcome that was led back here would come back for ever.
_UNTOLD = {replies.NOT_TAKEN, OWN_OUTCOME}


@dataclass(frozen=True)
class Message:
    """A message as a queue's event source hands it over.

    Attributes:
        receives: how many times it was handed over, this time included.
    """

    id: str
    text: str
    receipt: str
    receives: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Message:
        """The message in a record of the event."""
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        return cls(record["messageId"], record["body"], record["receiptHandle"], receives)


def deliver(message: Message, context: Any) -> bool:
    """Do what the message asks for; whether the queue may forget it.

    What can never work is told as a failure, and the message put into the dead-letter queue with the reason.
    So is what did not work the last time that it is tried; before, it is put off. The queue hands a message
    over once more than it is tried: of one that comes then, the function died each time, and telling that is
    all that is done.
    """
    try:
        return _deliver(message, context)
    except InProgress:
        logger.info("message in progress", extra={"message_id": message.id})
    except Exception as error:
        # Giving it up failed as well: the queue's own redrive is left.
        log_unexpected(error)
    _put_off(message)
    return False


def _deliver(message: Message, context: Any) -> bool:
    job: Job | None = None
    try:
        job = read_text(message.text, message_id=message.id)
        _run(job, message, context)
    except InProgress:
        raise
    except Exception as error:
        problem = as_problem(error, reference=message.id)
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
            _put_off(message)
            return False
        _give_up(message, job, problem, context)
    return True


def _is_final(problem: Problem, message: Message) -> bool:
    most = event_settings().max_tries
    return problem.status < 500 or message.receives >= min(_TRIES.get(problem.slug, most), most)


def _run(job: Job, message: Message, context: Any) -> None:
    if isinstance(job, Dropped):
        start_batch(job)
        return
    request = load(job) if isinstance(job, Stored) else job
    address = _address(job, message)
    # It may have been answered all the same, and another message of its invocation been the one to die of.
    died = message.receives > event_settings().max_tries
    found = answer_once(request, context, work=_never_ended if died else answer)
    reply = replies.Reply(Outcome(request.request_id, answer=found), address)
    _once(("answered", *request.key), reply.tell_bus, context)
    if address.queue is not None:
        # By itself: while the queue does not take it, the bus is not told again and again.
        _once(("replied", *request.key), reply.tell_queue, context)


def _never_ended(_asked: Asked, _context: Any) -> dict[str, Any]:
    tries = event_settings().max_tries
    detail = f"Each of {tries} tries ended without a word: the function died, or could not tell the outcome."
    raise Problem(500, "never-ended", detail)


def _address(job: Job | None, message: Message) -> replies.Address:
    if isinstance(job, Stored):
        return replies.stored_address(job.request_id)
    return replies.address_of(job, message_id=message.id)


def _give_up(message: Message, job: Job | None, problem: Problem, context: Any) -> None:
    try:
        address = _address(job, message)
    except InvalidRequest:
        # The queue that it names is the problem.
        address = _address(None, message)
    request_id = job.request_id if isinstance(job, Asked | Stored) else message.id

    def tell() -> None:
        if problem.slug not in _UNTOLD:
            _tell_all(replies.Reply(Outcome(request_id, problem=problem), address))
        _bury(message, request_id, problem)

    # Not by the request's key: sent again out of the dead-letter queue, it may fail again.
    _once(("failed", message.id), tell, context)


def _tell_all(failure: replies.Reply) -> None:
    failure.tell_bus()
    try:
        failure.tell_queue()
    except Problem as problem:
        # Nothing is tried again for that: the bus knows, and the dead-letter queue has the message.
        logger.warning(
            "failure not told", extra={"reply_queue": failure.address.queue, "reason": problem.detail}
        )


def _once(key: tuple[str, ...], work: Any, context: Any) -> None:
    def done() -> dict[str, Any]:
        work()
        return {}

    run_once(("events", *key), {}, done, context=context)


def _bury(message: Message, request_id: str, problem: Problem) -> None:
    reason = "; ".join(problem.errors) or problem.detail
    told = {
        "problem": problem.slug,
        "reason": reason[:_MAX_REASON_LENGTH],
        "requestId": request_id,
        "messageId": message.id,
    }
    attributes = {
        name: {"DataType": "String", "StringValue": _printable(value)} for name, value in told.items()
    }
    grave = {"QueueUrl": event_settings().dead_letter_queue_url, "MessageBody": message.text}
    try:
        clients.sqs().send_message(**grave, MessageAttributes=attributes)
    except ClientError as error:
        # Attributes count toward the most that a message may have, and the sender may have used it up.
        # Nor does the log get the reason: it may quote what was sent.
        del told["reason"]
        told["error"] = error.response["Error"]["Code"]
        logger.info("buried without the reason", extra=told)
        clients.sqs().send_message(**grave)


def _printable(text: str) -> str:
    """What SQS takes as an attribute's value: it refuses control characters and nothing at all."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text) or "-"


def _put_off(message: Message) -> None:
    """Have the message handed over again after a pause; the queue's own is as long as many functions run."""
    pause = _FIRST_PAUSE_SECONDS * _PAUSE_FACTOR ** (message.receives - 1)
    try:
        clients.sqs().change_message_visibility(
            QueueUrl=event_settings().request_queue_url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=min(pause, _MAX_PAUSE_SECONDS),
        )
    except Exception as error:
        log_unexpected(error)
