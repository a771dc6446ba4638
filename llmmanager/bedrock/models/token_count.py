"""The number of input tokens of a request."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InputTokenCount"]


@dataclass(frozen=True, slots=True)
class InputTokenCount:
    """The number of input tokens of a request for one model.

    Attributes:
        input_tokens: the number of tokens.
        is_estimate: False if Bedrock counted all tokens; True if the number is an upper estimate.
        model: the id of the model.
        reason: why the number is an estimate, or None.
    """

    input_tokens: int
    is_estimate: bool
    model: str
    reason: str | None = None
