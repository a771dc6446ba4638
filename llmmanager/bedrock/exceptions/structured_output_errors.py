"""Exceptions of `LLMManager.parse`: a model answered, but not with a complete answer for the schema."""

from __future__ import annotations

from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse


class StructuredOutputError(LLMManagerError):
    """No answer follows the schema. The base class of the reasons.

    Attributes:
        stop_reason: why the model ended its last answer, such as "max_tokens"; None if unknown.
        response: the response with the last answer, all attempts and the cost.
    """

    stop_reason: str | None
    response: BedrockResponse | None

    def __init__(
        self, message: str, stop_reason: str | None = None, *, response: BedrockResponse | None = None
    ) -> None:
        super().__init__(message, {"stop_reason": stop_reason})
        self.stop_reason = stop_reason
        self.response = response


class InvalidAnswerError(StructuredOutputError):
    """Every answer was invalid. `response.get_validation_errors()` has the reason for each of them."""


class TruncatedAnswerError(StructuredOutputError):
    """The answer was cut off at `maxTokens` or at the end of the model's context."""


class RefusedAnswerError(StructuredOutputError):
    """The model, a content filter or a guardrail refused the answer."""


class ToolCallError(StructuredOutputError):
    """The model called one of your tools instead of giving its answer. `response` has the calls."""
