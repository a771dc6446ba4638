"""The function behind the API: a proxy event in, an HTTP answer out, whatever the event holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.http_api.problems import Problem, internal_error, problem_of
from lambdas.http_api.routes import answer
from lambdas.shared.json_text import dump
from lambdas.shared.observability import log_unexpected, logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    try:
        status, body = answer(event, context)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            log_unexpected(error)
            problem = internal_error(context.aws_request_id)
        return _problem(problem)
    return _response(status, body)


def _problem(problem: Problem) -> dict[str, Any]:
    logger.info("problem", extra={"status": problem.status, "problem": problem.slug})
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return _response(problem.status, problem.document(), headers)


def _response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": dump(body).decode("utf-8"),
        "isBase64Encoded": False,
    }
