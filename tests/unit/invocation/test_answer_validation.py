"""The result of a validation function as part of a streamed answer, and the reason as turns of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmmanager.bedrock.invocation.answer_validation import validated, with_reason
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, ValidationResult

ANSWER = BedrockResponse(success=True, model_used="m")


def result_of(function: Callable[[BedrockResponse], Any]) -> BedrockResponse:
    return validated(ResponseValidationConfig(function), ANSWER)


def failing(response: BedrockResponse) -> ValidationResult:
    raise ValueError("odd")


def test_a_valid_answer_is_returned_as_it_is() -> None:
    assert result_of(lambda answer: ValidationResult(success=answer is ANSWER)) is ANSWER


@pytest.mark.parametrize(
    ("function", "message", "details"),
    [
        (lambda _: ValidationResult(False, "too plain", {"words": 3}), "too plain", {"words": 3}),
        (lambda _: ValidationResult(False), "the answer is invalid", None),
        (lambda _: True, "the validation function must return a ValidationResult (got bool)", None),
        (failing, "the validation function raised ValueError: odd", {"exception": "ValueError"}),
    ],
    ids=["message", "no message", "no result", "exception"],
)
def test_an_invalid_answer_is_a_failure_with_the_reason(
    function: Callable[[BedrockResponse], Any], message: str, details: object
) -> None:
    response = result_of(function)
    assert (response.success, response.model_used) == (False, "m")
    assert response.validation_errors == [{"error_message": message, "error_details": details, "attempt": 0}]
    assert response.error is not None
    assert str(response.error) == message


QUESTION = {"role": "user", "content": [{"text": "Hello"}]}


def answer_of(*blocks: dict[str, Any]) -> BedrockResponse:
    return BedrockResponse(True, {"output": {"message": {"role": "assistant", "content": list(blocks)}}})


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([{"text": "one"}, {"reasoningContent": {}}, {"text": "two"}], "one\ntwo"),
        ([{"toolUse": {"toolUseId": "t", "name": "n", "input": {"é": 1}}}], '{"é": 1}'),
        ([{"text": " "}], "(empty)"),
        ([], "(empty)"),
    ],
    ids=["text", "tool call", "blank", "empty"],
)
def test_the_invalid_answer_and_the_reason_become_turns_of_text(
    blocks: list[dict[str, Any]], text: str
) -> None:
    request = {"messages": [QUESTION], "system": [{"text": "s"}]}
    corrected = with_reason(request, answer_of(*blocks), "too plain")
    assert request["messages"] == [QUESTION]
    assert corrected["system"] == request["system"]
    first, answer, reason = corrected["messages"]
    assert first is QUESTION
    assert answer == {"role": "assistant", "content": [{"text": text}]}
    assert reason["role"] == "user"
    assert "too plain" in reason["content"][0]["text"]


@pytest.mark.parametrize("request_", [{}, {"messages": [QUESTION, {"role": "assistant", "content": []}]}])
def test_a_request_that_does_not_end_with_the_user_gets_no_further_turns(request_: dict[str, Any]) -> None:
    assert with_reason(request_, answer_of(), "too plain") is request_
