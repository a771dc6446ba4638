"""Requests for tests."""

from __future__ import annotations

import base64
from typing import Any

from lambdas.streaming_api.chat_completions.request import ChatRequest, read_chat_request
from lambdas.streaming_api.mapping_error import MappingError

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
HELLO = {"role": "user", "content": "Hello"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def mapped(*messages: dict[str, Any], model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> ChatRequest:
    """Return the mapped request with these messages and fields."""
    body = {"model": "Nova Lite", "messages": list(messages or [HELLO]), **fields}
    return read_chat_request(body, model_ids=model_ids)


def converse(*messages: dict[str, Any], model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> Any:
    """Return the arguments for `LLMManager.converse`."""
    return mapped(*messages, model_ids=model_ids, **fields).converse


def rejection(*messages: dict[str, Any], model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> MappingError:
    """Return the error for a request that cannot be mapped."""
    try:
        mapped(*messages, model_ids=model_ids, **fields)
    except MappingError as error:
        return error
    raise AssertionError("the request was mapped")


def user(*parts: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": list(parts) if len(parts) != 1 or isinstance(parts[0], dict) else parts[0],
    }


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def call(id_: str, name: str = "weather", arguments: str = '{"city": "Lima"}') -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(content: Any = None, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {**message, "tool_calls": list(calls)} if calls else message


def result(id_: str, content: Any = "19 degrees") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}
