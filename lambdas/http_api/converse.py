"""POST /v1/converse and POST /v1/validate: one request, answered at once, later, or not at all."""

from __future__ import annotations

from lambdas.http_api import requests
from lambdas.http_api.calls import Answer, Call
from lambdas.http_api.once import once
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.question import Question, ask, read_question

# What it takes to write the answer, or to say that there is none.
_MARGIN_SECONDS = 1.0


def post(call: Call) -> Answer:
    """Answer a Converse request with the models and regions that it names, or those configured.

    With `Prefer: respond-async`, it is answered later.

    Raises:
        InvalidRequest: it is not one.
        Problem, LLMManagerError: nothing answered it, or nothing as it must be.
    """
    body = call.body()
    question = read_question(body)
    later = requests.is_preferred(call)
    # Now or later, it is the same request: neither comes beside the other.
    return once(
        call,
        "converse",
        body,
        lambda fixed_id: requests.submit(body, call, fixed_id()) if later else _answer(question, call),
    )


def validate(call: Call) -> Answer:
    """Say what is wrong with a body for `POST /v1/converse`, without calling a model."""
    body = call.body()
    try:
        read_question(body)
    except InvalidRequest as error:
        return Answer(200, {"valid": False, "errors": error.reasons})
    return Answer(200, {"valid": True, "errors": []})


def _answer(question: Question, call: Call) -> Answer:
    seconds = call.seconds_left() - _MARGIN_SECONDS
    return Answer(200, ask(question, seconds=seconds, door="http", caller=call.caller))
