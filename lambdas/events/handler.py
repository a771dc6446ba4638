"""The function behind the request queue, which can be invoked with a request as well."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from lambdas.events import replies
from lambdas.events.deliveries import Message, deliver
from lambdas.events.envelopes import Asked, read_text
from lambdas.events.process import Outcome, answer, answer_once, as_problem
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.observability import logger

# Lambda returns 6 MB.
_MAX_RETURNED_BYTES = 5_000_000


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Messages of the queue: which of them it must hand over again. A request: its outcome."""
    if not _is_of_a_queue(event):
        return invoke(event, context)
    messages = [Message.of(record) for record in event["Records"]]
    _make_clients()
    # The function waits for Bedrock most of the time, and as well for ten answers as for one.
    with ThreadPoolExecutor(max_workers=max(1, len(messages))) as pool:
        done = list(pool.map(lambda message: deliver(message, context), messages))
    return {
        "batchItemFailures": [
            {"itemIdentifier": message.id}
            for message, is_done in zip(messages, done, strict=True)
            if not is_done
        ]
    }


def _is_of_a_queue(event: Any) -> bool:
    records = event.get("Records") if isinstance(event, dict) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records)
    )


@cache
def _make_clients() -> None:
    """Make the clients that all messages share: boto3's own session is not for threads at once."""
    for client in (clients.s3, clients.sqs, clients.dynamodb, clients.event_bridge, clients.step_functions):
        client()


def invoke(event: Any, context: Any) -> dict[str, Any]:
    """Answer the request that the function was invoked with; problems are returned like answers."""
    request_id = str(context.aws_request_id)
    address = replies.address_of(None, message_id=request_id)
    try:
        # As text, for what Lambda lets through and a queue's message may not hold: NaN, endless nesting.
        request = read_text(_text(event), message_id=request_id)
        if not isinstance(request, Asked):
            raise InvalidRequest(["message: an invocation takes a request"])
        if request.reply_to is not None:
            raise InvalidRequest(["replyTo: an invocation is answered by what it returns"])
        request_id = request.request_id
        found = (answer_once if request.key[0] == "caller" else answer)(request, context)
        outcome = Outcome(request_id, answer=found)
    except Exception as error:
        problem = as_problem(error, reference=request_id)
        # Who invokes without waiting is not told.
        logger.info("invocation failed", extra={"problem": problem.slug})
        outcome = Outcome(request_id, problem=problem)
    text = replies.fitting(outcome, address, max_bytes=_MAX_RETURNED_BYTES)
    # Lambda's runtime writes UTF-8, and ends the process over what that cannot hold: a lone surrogate.
    unicode = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    returned: dict[str, Any] = json.loads(unicode)
    return returned


def _text(event: Any) -> str:
    try:
        return json.dumps(event)
    except RecursionError:
        raise InvalidRequest(["message: not JSON that can be used: nested too deep"]) from None
