"""validated: the result of a validation function as part of a streamed answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmmanager.bedrock.invocation.answer_validation import validated
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
