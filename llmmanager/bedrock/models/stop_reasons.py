"""The reasons why a model stops, and what they mean for a retry."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class StopReasonEnum(StrEnum):
    """Why a model stopped: the values of `stopReason` in Converse.

    Attributes:
        END_TURN: the answer is complete.
        TOOL_USE: the model calls a tool.
        MAX_TOKENS, STOP_SEQUENCE: the limit of tokens or a stop sequence of the request was reached.
        GUARDRAIL_INTERVENED, CONTENT_FILTERED: a guardrail or a filter blocked content.
        MALFORMED_MODEL_OUTPUT, MALFORMED_TOOL_USE: the model generated invalid output.
        MODEL_CONTEXT_WINDOW_EXCEEDED: the request and the answer exceed the model's context.
    """

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    GUARDRAIL_INTERVENED = "guardrail_intervened"
    CONTENT_FILTERED = "content_filtered"
    MALFORMED_MODEL_OUTPUT = "malformed_model_output"
    MALFORMED_TOOL_USE = "malformed_tool_use"
    MODEL_CONTEXT_WINDOW_EXCEEDED = "model_context_window_exceeded"


class StopReasonCategory(StrEnum):
    """What a stop reason means for a retry.

    Attributes:
        TERMINAL: the answer ended as usual. A retry has no purpose.
        RETRY_DIFFERENT_TARGET: another model may answer.
        RETRYABLE: the model made an error. The same target may answer.
        UNKNOWN: no stop reason, or one that this library does not know.
    """

    TERMINAL = "terminal"
    RETRY_DIFFERENT_TARGET = "retry_different_target"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"


_CATEGORIES: Final[Mapping[str, StopReasonCategory]] = {
    StopReasonEnum.END_TURN: StopReasonCategory.TERMINAL,
    StopReasonEnum.TOOL_USE: StopReasonCategory.TERMINAL,
    StopReasonEnum.MAX_TOKENS: StopReasonCategory.TERMINAL,
    StopReasonEnum.STOP_SEQUENCE: StopReasonCategory.TERMINAL,
    StopReasonEnum.GUARDRAIL_INTERVENED: StopReasonCategory.RETRY_DIFFERENT_TARGET,
    StopReasonEnum.CONTENT_FILTERED: StopReasonCategory.RETRY_DIFFERENT_TARGET,
    StopReasonEnum.MODEL_CONTEXT_WINDOW_EXCEEDED: StopReasonCategory.RETRY_DIFFERENT_TARGET,
    StopReasonEnum.MALFORMED_MODEL_OUTPUT: StopReasonCategory.RETRYABLE,
    StopReasonEnum.MALFORMED_TOOL_USE: StopReasonCategory.RETRYABLE,
}


class StopReasonClassifier:
    """Sorts stop reasons into categories."""

    @classmethod
    def categorize(cls, reason: str | StopReasonEnum | None) -> StopReasonCategory:
        """Return the category of a stop reason. The library itself does not retry because of one."""
        return _CATEGORIES.get(reason or "", StopReasonCategory.UNKNOWN)
