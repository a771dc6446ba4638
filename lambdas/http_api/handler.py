"""The function behind the API: a proxy event in, an HTTP answer out, whatever the event holds."""

from __future__ import annotations

from typing import Any

from lambdas.http_api.calls import Answer, Call
from lambdas.http_api.large_answers import MAX_BODY_BYTES, put_aside
from lambdas.http_api.routes import answer
from lambdas.shared.json_text import dump
from lambdas.shared.observability import log_unexpected, logger
from lambdas.shared.problems import Problem, internal_error, problem_of


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    try:
        return _response(answer(Call(event, context)))
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            log_unexpected(error)
            problem = internal_error(context.aws_request_id)
        return _problem(problem)


def _problem(problem: Problem) -> dict[str, Any]:
    logger.info("problem", extra={"status": problem.status, "problem": problem.slug})
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return _response(Answer(problem.status, problem.document(), headers))


def _response(found: Answer) -> dict[str, Any]:
    body = dump(found.body)
    if len(body) > MAX_BODY_BYTES:
        found = put_aside(body)
        body = dump(found.body)
    return {
        "statusCode": found.status,
        "headers": {"Content-Type": "application/json", **found.headers},
        "body": body.decode("utf-8"),
        "isBase64Encoded": False,
    }
