"""Validates answers with the caller's function, and requests another answer when one is invalid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import InvalidResponseError, RetryExhaustedError
from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop, TargetAnswer
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, ValidationResult

# Characters of the reason that the model gets.
_MAX_REASON = 4000


def valid_answer(
    loop: AttemptLoop[dict[str, Any]], validation: ResponseValidationConfig, request: Mapping[str, Any]
) -> BedrockResponse:
    """Retry until an answer is valid or `response_validation_retries` are used up, for all targets together.

    A target with an invalid answer is called again. If the call fails, the next target is called. A failed
    attempt does not count as an answer.

    Args:
        request: the request of the loop.
    """
    retries_left = validation.response_validation_retries
    last: TargetAnswer[dict[str, Any]] | None = None
    while True:
        try:
            last = loop.answer()
        except RetryExhaustedError as error:
            if last is None or loop.was_stopped_by(error):
                raise
            return loop.response(last.target, last.content, success=False)
        response = loop.response(last.target, last.content, success=True)
        result = _validate(validation, response)
        if result.success:
            return response
        loop.record.validation_errors.append(_validation_error(result, len(loop.record.attempts)))
        loop.reject_answer(InvalidResponseError(str(result.error_message)), final=retries_left == 0)
        if retries_left == 0 or not loop.wait(validation.response_validation_delay):
            return loop.response(last.target, last.content, success=False)
        retries_left -= 1
        if validation.tell_reason:
            loop.change_request(with_reason(request, response, str(result.error_message)))


def with_reason(request: Mapping[str, Any], response: BedrockResponse, reason: str) -> Mapping[str, Any]:
    """Return the request with the invalid answer and the reason as further turns.

    The turns have only text, which every model accepts. A request that does not end with the user's turn is
    returned without a change: the model would continue a part of the answer that the caller wrote.
    """
    messages = request.get("messages")
    if not messages or messages[-1]["role"] != "user":
        return request
    shown = [_as_text(block) for block in response.get_content_blocks()]
    answer = "\n".join(text for text in shown if text.strip()) or "(empty)"
    correction = f"This answer is invalid: {reason[:_MAX_REASON]}\nGive the whole answer again, corrected."
    return {
        **request,
        "messages": [
            *messages,
            {"role": "assistant", "content": [{"text": answer}]},
            {"role": "user", "content": [{"text": correction}]},
        ],
    }


def _as_text(block: Mapping[str, Any]) -> str:
    if "toolUse" in block:
        return json.dumps(block["toolUse"].get("input"), ensure_ascii=False, default=str)
    text = block.get("text")
    return text if isinstance(text, str) else ""


def validated(validation: ResponseValidationConfig, response: BedrockResponse) -> BedrockResponse:
    """Return a streamed answer with the result of its validation, which does not cause a retry."""
    result = _validate(validation, response)
    if result.success:
        return response
    return replace(
        response,
        success=False,
        validation_errors=[_validation_error(result, len(response.attempts))],
        error=InvalidResponseError(str(result.error_message)),
    )


def _validate(validation: ResponseValidationConfig, response: BedrockResponse) -> ValidationResult:
    try:
        result = validation.response_validation_function(response)
    except Exception as error:
        return ValidationResult(
            success=False,
            error_message=f"the validation function raised {type(error).__name__}: {error}",
            error_details={"exception": type(error).__name__},
        )
    if not isinstance(result, ValidationResult):
        return ValidationResult(
            success=False,
            error_message="the validation function must return a ValidationResult "
            f"(got {type(result).__name__})",
        )
    if not result.success and not result.error_message:
        return replace(result, error_message="the answer is invalid")
    return result


def _validation_error(result: ValidationResult, attempt: int) -> dict[str, Any]:
    return {
        "error_message": result.error_message,
        "error_details": result.error_details,
        "attempt": attempt,
    }
