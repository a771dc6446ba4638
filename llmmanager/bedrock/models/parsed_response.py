"""The response of a call whose answer follows a schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from llmmanager.bedrock.models.bedrock_response import BedrockResponse

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import ContentBlock, Message

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

    def get_message(self) -> Message | None:
        """Return the model's message, to send it back in the history; None without content.

        If the model answered by calling a tool, the message has the answer as text: no result follows it.
        """
        message = super().get_message()
        if message is not None:
            message["content"] = [_without_call(block) for block in message["content"]]
        return message


def _without_call(block: ContentBlock) -> ContentBlock:
    # Bedrock has added the result of a tool that it runs itself.
    if "toolUse" not in block or block["toolUse"].get("type") == "server_tool_use":
        return block
    return {"text": json.dumps(block["toolUse"].get("input"), ensure_ascii=False)}
