"""Requests of the Responses API for tests."""

from __future__ import annotations

import base64
from typing import Any

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.responses.request import ResponsesRequest, read_responses_request

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
TIME = {"type": "function", "name": "time"}
SCHEMA = {
    "type": "object",
    "properties": {"celsius": {"type": "number"}},
    "required": ["celsius"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "name": "report", "schema": SCHEMA, "strict": True}


def mapped(*items: Any, model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> ResponsesRequest:
    """Return the mapped request with these items, or with the text "Hello"."""
    body = {"model": "Nova Lite", "input": list(items) or "Hello", **fields}
    return read_responses_request(body, model_ids=model_ids)


def converse(*items: Any, model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> Any:
    """Return the arguments for `LLMManager.converse`."""
    return mapped(*items, model_ids=model_ids, **fields).converse


def rejection(*items: Any, model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> MappingError:
    """Return the error for a request that cannot be mapped."""
    try:
        mapped(*items, model_ids=model_ids, **fields)
    except MappingError as error:
        return error
    raise AssertionError("the request was mapped")


def message(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def user(*parts: Any) -> dict[str, Any]:
    return message("user", list(parts))


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "input_text", "text": content, **more}


def call(id_: str, name: str = "weather", arguments: str = '{"city": "Lima"}', **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments, **more}


def output(id_: str, content: Any = "19 degrees") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id_, "output": content}
