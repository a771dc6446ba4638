"""Check an answer that must be JSON, and find the JSON in it."""

from __future__ import annotations

import json

from lambdas.streaming_api.answer_events import AnswerEnd, TextDelta, ToolCallStart, response_events
from lambdas.streaming_api.mapped_request import MappedRequest
from llmmanager import BedrockResponse, ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.structured.code_block import whole_code_block

_RETRIES = 1


def answer_validation(request: MappedRequest) -> ResponseValidationConfig | None:
    """Return the validation of a complete answer that must be JSON, or None for other answers.

    An answer that is not JSON is requested once more. A streamed answer cannot be taken back, so it is not
    validated. A call of a tool and an answer that was cut off count as valid.
    """
    if not request.json_object and request.answer_tool is None:
        return None
    return ResponseValidationConfig(
        lambda response: _check(request, response), response_validation_retries=_RETRIES
    )


def json_text(text: str) -> str:
    """Return the JSON in an answer: the content of a Markdown code block around it, or the answer itself."""
    content = whole_code_block(text)
    return text if content is None else content


def _check(request: MappedRequest, response: BedrockResponse) -> ValidationResult:
    text = ""
    for event in response_events(request, response):
        match event:
            case ToolCallStart():
                return ValidationResult(success=True)
            case AnswerEnd(stop_reason) if stop_reason not in ("end_turn", "stop_sequence"):
                return ValidationResult(success=True)
            case TextDelta():
                text += event.text
    try:
        value = json.loads(json_text(text))
    except (ValueError, RecursionError):
        return ValidationResult(success=False, error_message="The answer is not JSON.")
    if request.json_object and not isinstance(value, dict):
        return ValidationResult(success=False, error_message="The answer is not a JSON object.")
    return ValidationResult(success=True)
