"""POST /v1/converse and POST /v1/validate: one request, answered at once, later, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.http_api import requests
from lambdas.http_api.calls import Answer, Call
from lambdas.http_api.once import once
from lambdas.http_api.problems import answer_refused
from lambdas.shared.codec import InvalidRequest, decode_request, encode_response
from lambdas.shared.manager import Targets, choose_targets, llm_manager
from lambdas.shared.metrics import recorded
from lambdas.shared.observability import log_payload
from lambdas.shared.response_rules import FIELD, read_rules
from lambdas.shared.s3_locations import location_problems
from llmmanager import BedrockConverseRequest, ResponseValidationConfig

# What it takes to write the answer, or to say that there is none.
_MARGIN_SECONDS = 1.0


@dataclass(frozen=True)
class Question:
    """A body that can be sent to a model."""

    request: BedrockConverseRequest
    targets: Targets
    rules: ResponseValidationConfig | None


def post(call: Call) -> Answer:
    """Answer a Converse request with the models and regions that it names, or those configured.

    With `Prefer: respond-async`, it is answered later.

    Raises:
        InvalidRequest: it is not one.
        Problem, LLMManagerError: nothing answered it, or nothing as it must be.
    """
    body = call.body()
    question = read_question(body)
    if requests.is_preferred(call):
        return once(call, "requests", body, lambda: requests.submit(body, caller=call.caller))
    return once(call, "converse", body, lambda: _answer(question, call))


def validate(call: Call) -> Answer:
    """Say what is wrong with a body for `POST /v1/converse`, without calling a model."""
    body = call.body()
    try:
        read_question(body)
    except InvalidRequest as error:
        return Answer(200, {"valid": False, "errors": error.reasons})
    return Answer(200, {"valid": True, "errors": []})


def read_question(body: Mapping[str, Any]) -> Question:
    """A body as a question.

    Raises:
        InvalidRequest: with every problem that it has.
    """
    own = ("models", "regions", FIELD)
    fields = {key: value for key, value in body.items() if key not in own}
    problems: list[str] = []
    read = (
        lambda: choose_targets(body.get("models"), body.get("regions")),
        lambda: read_rules(body.get(FIELD)),
        lambda: decode_request(fields),
    )
    parts: list[Any] = []
    for part in read:
        try:
            parts.append(part())
        except InvalidRequest as error:
            problems += error.reasons
    problems += location_problems(fields)
    if problems:
        raise InvalidRequest(problems)
    targets, rules, request = parts
    return Question(request, targets, rules)


def _answer(question: Question, call: Call) -> Answer:
    deadline = call.context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
    manager = llm_manager(question.targets)
    response = recorded(
        lambda: manager.converse_with_request(question.request, question.rules, deadline=deadline),
        door="http",
        caller=call.caller,
    )
    log_payload(question.request, response)
    if not response.success:
        raise answer_refused(response)
    return Answer(200, {"text": response.get_content(), **encode_response(response)})
