"""The handler of the function behind API Gateway: from a proxy event to an HTTP response."""

from __future__ import annotations

from typing import Any

from lambdas.contract import PROBLEM_CONTENT_TYPE
from lambdas.http_api.dispatch import respond
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.large_responses import MAX_BODY_BYTES, redirect_to_stored
from lambdas.shared.function_log import logger
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.problems import Problem, problem_from_error
from llmmanager.json_format.json_text import dump


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Respond to one request. Every error becomes a problem document."""
    try:
        return _encode(respond(HttpRequest(event, context)))
    except Exception as error:
        return _encode_problem(problem_from_error(error, reference=context.aws_request_id))


def _encode_problem(problem: Problem) -> dict[str, Any]:
    logger.info("problem", extra={"status": problem.status, "problem": problem.slug})
    headers = {"Content-Type": PROBLEM_CONTENT_TYPE, **problem.headers}
    return _encode(HttpResponse(problem.status, problem.document(), headers))


def _encode(response: HttpResponse) -> dict[str, Any]:
    body = dump(response.body)
    if len(body) > MAX_BODY_BYTES:
        response = redirect_to_stored(body)
        body = dump(response.body)
    return {
        "statusCode": response.status,
        "headers": {"Content-Type": "application/json", **response.headers},
        "body": body.decode("utf-8"),
        "isBase64Encoded": False,
    }
