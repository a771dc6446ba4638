"""Read an answer that must follow a schema. An invalid answer is requested again, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.exceptions.structured_output_errors import (
    InvalidAnswerError,
    RefusedAnswerError,
    StructuredOutputError,
    ToolCallError,
    TruncatedAnswerError,
)
from llmmanager.bedrock.invocation.answer_validation import valid_answer
from llmmanager.bedrock.invocation.attempt_loop import AttemptLoop
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.models.parsed_response import ParsedResponse
from llmmanager.bedrock.structured.code_block import first_code_block
from llmmanager.bedrock.structured.output_schema import InvalidAnswer, OutputSchema
from llmmanager.json_format.json_text import InvalidJson, parse

_TRUNCATED = ("max_tokens", "model_context_window_exceeded")
_REFUSED = ("content_filtered", "guardrail_intervened", "refusal")
_MALFORMED = ("malformed_model_output", "malformed_tool_use")


def parsed_answer(
    output: OutputSchema,
    loop: AttemptLoop[dict[str, Any]],
    request: Mapping[str, Any],
    validation: ResponseValidationConfig | None,
    *,
    tool_name: Callable[[Mapping[str, Any]], str],
    retries: int,
) -> BedrockResponse:
    """Return a `ParsedResponse`, or a response with `success=False` and a `StructuredOutputError`.

    A truncated or refused answer, or one that calls a tool of the caller, is not requested again.

    Args:
        validation: the caller's validation, for answers that follow the schema, or None.
        tool_name: returns the name of the answer tool for the request.
        retries: how often a model is called again after an invalid answer, without a validation.

    Raises:
        RequestValidationError: the request demands the call of a tool.
        RetryExhaustedError, AuthenticationError, ConfigurationError: no target answered.
    """
    choice = next(iter(request.get("toolConfig", {}).get("toolChoice") or {"auto": {}}))
    if choice != "auto":
        problem = f'toolConfig.toolChoice: must be "auto" for an answer with a schema (got "{choice}")'
        raise RequestValidationError(f"the request is invalid: {problem}", [problem])
    check = _AnswerCheck(output, tool_name(request), validation)
    config = ResponseValidationConfig(
        check,
        response_validation_retries=validation.response_validation_retries if validation else retries,
        response_validation_delay=validation.response_validation_delay if validation else 0.0,
        tell_reason=True,
    )
    return check.finished(valid_answer(loop, config, request))


class _AnswerCheck:
    """The validation function of one call. It keeps the value of the last answer."""

    def __init__(
        self, output: OutputSchema, tool_name: str, validation: ResponseValidationConfig | None
    ) -> None:
        self._output = output
        self._tool_name = tool_name
        self._validation = validation
        self._value: Any = None
        self._ended_by: StructuredOutputError | None = None

    def __call__(self, response: BedrockResponse) -> ValidationResult:
        self._ended_by = _end_without_answer(response, self._tool_name)
        if self._ended_by is not None:
            # Another answer would end in the same way.
            return ValidationResult(success=True)
        try:
            self._value = self._output.read(_json_value(response, self._tool_name))
        except (InvalidAnswer, InvalidJson) as error:
            return ValidationResult(success=False, error_message=str(error))
        if self._validation is None:
            return ValidationResult(success=True)
        return self._validation.response_validation_function(_with_value(response, self._value))

    def finished(self, response: BedrockResponse) -> BedrockResponse:
        """Return the response of the call with the value, or with the error."""
        error = self._ended_by
        if error is None and response.success:
            return _with_value(response, self._value)
        if error is None:
            reasons = response.get_validation_errors()
            error = InvalidAnswerError(
                f"no valid answer after {len(reasons)} answer(s): {reasons[-1]['error_message']}",
                response.get_stop_reason(),
            )
        error.response = replace(response, success=False, error=error)
        return error.response


def _end_without_answer(response: BedrockResponse, tool_name: str) -> StructuredOutputError | None:
    """Return why the answer is not complete, or None if it is."""
    reason = response.get_stop_reason()
    if reason in _TRUNCATED:
        return TruncatedAnswerError(
            f"the answer was cut off ({reason}): raise maxTokens or ask for a shorter answer", reason
        )
    if reason in _REFUSED:
        return RefusedAnswerError(f"the answer was refused ({reason})", reason)
    called = [use.get("name") for use in _tool_uses(response)]
    if called and tool_name not in called:
        return ToolCallError(f"the model called {', '.join(map(str, called))} instead of answering", reason)
    return None


def _json_value(response: BedrockResponse, tool_name: str) -> Any:
    """Return the JSON value of an answer: the arguments of the answer tool, or the text.

    Raises:
        InvalidAnswer, InvalidJson: the answer has no JSON value.
    """
    if response.get_stop_reason() in _MALFORMED:
        raise InvalidAnswer("the output of the model is malformed")
    for use in _tool_uses(response):
        if use.get("name") == tool_name:
            return use.get("input")
    text = response.get_content()
    if text is None:
        raise InvalidAnswer("the answer is empty")
    try:
        return parse(text)
    except InvalidJson as error:
        found = first_code_block(text)
        if found is None:
            raise InvalidAnswer(f"the answer is {error}") from None
        return parse(found)


def _tool_uses(response: BedrockResponse) -> list[Mapping[str, Any]]:
    uses = (block.get("toolUse") for block in response.get_content_blocks())
    # A tool that Bedrock runs itself is no call for the caller.
    return [use for use in uses if isinstance(use, Mapping) and use.get("type") != "server_tool_use"]


def _with_value(response: BedrockResponse, value: Any) -> ParsedResponse[Any]:
    members = {member.name: getattr(response, member.name) for member in fields(BedrockResponse)}
    return ParsedResponse(**members, parsed=value)
