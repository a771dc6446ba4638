"""The handler of POST /v1/converse-stream, whose callers sign their requests."""

from __future__ import annotations

from typing import Any

from lambdas.buffered_response import buffered
from lambdas.contract import PROBLEM_CONTENT_TYPE, STREAMING_SECONDS
from lambdas.converse_stream.answer_stream import open_answer
from lambdas.shared.answer_options import OUTPUT_SCHEMA
from lambdas.shared.converse_request import ConverseRequest, read_request
from lambdas.shared.function_log import logger
from lambdas.shared.http_request import IDEMPOTENCY_HEADER, HttpRequest
from lambdas.shared.problems import method_not_allowed, problem_from_error
from lambdas.streamed_response import StreamBody, StreamedResponse
from lambdas.usage.caller import UNKNOWN, Caller
from llmmanager.json_format.codec import InvalidRequest
from llmmanager.json_format.json_text import dump

# An invalid answer would be noticed after it was sent.
_FOR_COMPLETE_ANSWERS = ("responseValidation", OUTPUT_SCHEMA)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> StreamedResponse:
    """Stream the answer to one request, on the streaming runtime."""
    return _respond(HttpRequest(event, context, gateway_seconds=STREAMING_SECONDS))


@buffered
@logger.inject_lambda_context(clear_state=True)
def buffered_handler(event: dict[str, Any], context: Any) -> StreamedResponse:
    """Return the events of one answer, on the standard runtime: they are sent when the answer is complete."""
    return _respond(HttpRequest(event, context))


def _respond(request: HttpRequest) -> StreamedResponse:
    """Return the response. An error before the first content becomes a problem document."""
    try:
        return _answer(request)
    except Exception as error:
        problem = problem_from_error(error, reference=request.context.aws_request_id)
        logger.info("problem", extra={"status": problem.status, "problem": problem.slug})
        headers = {"Content-Type": PROBLEM_CONTENT_TYPE, **problem.headers}
        return StreamedResponse(problem.status, headers, [dump(problem.document())])


def _answer(request: HttpRequest) -> StreamedResponse:
    if request.event.get("httpMethod") != "POST":
        raise method_not_allowed("POST")
    body = request.body()
    unsupported = [name for name in _FOR_COMPLETE_ANSWERS if body.get(name) is not None]
    if unsupported:
        reason = "is not supported for streams, since it is about the complete answer; use POST /v1/converse"
        raise InvalidRequest([f"{name}: {reason}" for name in unsupported])
    converse_request = read_request(body, Caller(request.caller or UNKNOWN))
    key = request.idempotency_key()
    if key is not None:
        return _answer_once(key, body, converse_request, request)
    opened = open_answer(converse_request, request)
    return StreamedResponse(200, opened.headers, StreamBody(opened.pieces(), opened.close))


def _answer_once(
    key: str, body: dict[str, Any], converse_request: ConverseRequest, request: HttpRequest
) -> StreamedResponse:
    # Imported here, because most requests have no key.
    from lambdas.shared.idempotency import IdempotencyError, idempotency_problem
    from lambdas.shared.idempotent_stream import stream_once

    full_key = ("http", "converse-stream", request.caller, key)
    try:
        return stream_once(
            full_key, body, lambda: open_answer(converse_request, request), context=request.context
        )
    except IdempotencyError as error:
        raise idempotency_problem(error, name=IDEMPOTENCY_HEADER) from None
