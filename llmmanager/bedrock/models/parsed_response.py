"""The response of a call whose answer follows a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from llmmanager.bedrock.models.bedrock_response import BedrockResponse

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ParsedResponse(BedrockResponse, Generic[T]):
    """The response of `LLMManager.parse`: the members of `BedrockResponse`, and the answer as a value.

    Attributes:
        parsed: the answer: an instance of the dataclass or model, or a dict.
        success, response_data, model_used, region_used: as in `BedrockResponse`.
        access_method, inference_profile_id, attempts, total_duration_ms: as in `BedrockResponse`.
        warnings, features_disabled, validation_errors, error: as in `BedrockResponse`.
    """

    parsed: T
