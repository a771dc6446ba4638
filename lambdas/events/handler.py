"""The handler of the function behind the request queue. The function also accepts direct invocations."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from lambdas.events import replies
from lambdas.events.answer_request import Outcome, answer_request, answer_request_once, message_problem
from lambdas.events.message_formats import InlineRequest, read_text
from lambdas.events.queue_messages import QueueMessage, process_message
from lambdas.shared import clients
from lambdas.shared.function_log import logger
from llmmanager.json_format.codec import InvalidRequest

# Lambda's limit for a response is 6 MB.
_MAX_RETURNED_BYTES = 5_000_000


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Return which messages of a queue event failed, or the outcome of a request that was sent directly."""
    if not _is_queue_event(event):
        return answer_invocation(event, context)
    messages = [QueueMessage.from_record(record) for record in event["Records"]]
    _create_clients()
    # A thread for each message, because a thread spends most of its time waiting for Bedrock.
    with ThreadPoolExecutor(max_workers=max(1, len(messages))) as pool:
        done = list(pool.map(lambda message: process_message(message, context), messages))
    return {
        "batchItemFailures": [
            {"itemIdentifier": message.id}
            for message, is_done in zip(messages, done, strict=True)
            if not is_done
        ]
    }


def _is_queue_event(event: Any) -> bool:
    records = event.get("Records") if isinstance(event, dict) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records)
    )


@cache
def _create_clients() -> None:
    """Create the clients before the threads start: creating a client is not thread-safe."""
    for client in (clients.s3, clients.sqs, clients.dynamodb, clients.event_bridge, clients.step_functions):
        client()


def answer_invocation(event: Any, context: Any) -> dict[str, Any]:
    """Return the outcome of the request that the function was invoked with: an answer or a problem."""
    request_id = str(context.aws_request_id)
    destination = replies.job_destination(None, message_id=request_id)
    try:
        # Checked as text: Lambda accepts NaN and any depth of nesting, which messages must not have.
        request = read_text(_to_text(event), message_id=request_id)
        if not isinstance(request, InlineRequest):
            raise InvalidRequest(["message: an invocation takes a request, not a stored request or a file"])
        if request.reply_to is not None:
            raise InvalidRequest(["replyTo: not supported for invocations, which return the outcome"])
        request_id = request.request_id
        answer = answer_request_once if request.key[0] == "caller" else answer_request
        outcome = Outcome(request_id, answer=answer(request, context))
    except Exception as error:
        problem = message_problem(error, reference=request_id)
        # An asynchronous invocation has no response: the log is the only report.
        logger.info("invocation failed", extra={"problem": problem.slug})
        outcome = Outcome(request_id, problem=problem)
    text = replies.to_text(outcome, destination, max_bytes=_MAX_RETURNED_BYTES)
    # Lambda's runtime writes UTF-8, and the process ends if a string has a lone surrogate.
    unicode = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    returned: dict[str, Any] = json.loads(unicode)
    return returned


def _to_text(event: Any) -> str:
    try:
        return json.dumps(event)
    except RecursionError:
        raise InvalidRequest(["message: unsupported JSON: nested too deep"]) from None
