"""A Chat Completions request mapped to Converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.chat_completions.messages import read_messages
from lambdas.streaming_api.chat_completions.request_fields import CHAT_FIELDS
from lambdas.streaming_api.chat_completions.response_format import read_response_format
from lambdas.streaming_api.chat_completions.tool_fields import read_tools
from lambdas.streaming_api.json_fields import optional_flag, optional_object
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.openai_request import RequestParts, map_request


@dataclass(frozen=True, kw_only=True)
class ChatRequest(MappedRequest):
    """A Chat Completions request.

    Attributes:
        include_usage: whether the last chunk of a stream has the token counts.
    """

    include_usage: bool


def read_chat_request(body: Mapping[str, Any], *, model_ids: Sequence[str]) -> ChatRequest:
    """Return the request in the body of `POST /chat/completions`.

    Args:
        body: the parsed JSON object.
        model_ids: the ids of the models that may answer, the preferred one first, at least one.

    Raises:
        MappingError: a field is invalid or cannot be mapped.
    """
    ignored = CHAT_FIELDS.ignored_fields(body)
    conversation = read_messages(body)
    if any(message.get("name") is not None for message in body["messages"]):
        ignored.append("messages.name")
    parts = RequestParts(
        conversation=conversation,
        messages="messages",
        tools=read_tools(body),
        answer_format=read_response_format(body),
        format_path="response_format.json_schema",
        effort=body.get("reasoning_effort"),
        effort_path="reasoning_effort",
        max_tokens="max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens",
        stop="stop",
        ignored=ignored,
    )
    mapped = map_request(body, parts, model_ids=model_ids)
    options = optional_object(body.get("stream_options"), "stream_options")
    include_usage = optional_flag(options.get("include_usage"), "stream_options.include_usage")
    return ChatRequest(**vars(mapped), include_usage=include_usage)
