"""Requests for tests."""

from __future__ import annotations

import base64
from typing import Any

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.messages.request import MessagesRequest, read_messages_request

HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS_5_5 = "anthropic.claude-opus-5-5"
NOVA = "amazon.nova-lite-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
HELLO = {"role": "user", "content": "Hello"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8
PDF = b"%PDF-1.7"
WEATHER = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
EPHEMERAL = {"type": "ephemeral"}


def mapped(
    *messages: Any, model_ids: tuple[str, ...] = (NOVA,), betas: tuple[str, ...] = (), **fields: Any
) -> MessagesRequest:
    """Return the mapped request with these messages and fields."""
    body = {"model": "Nova Lite", "max_tokens": 100, "messages": list(messages or [HELLO]), **fields}
    return read_messages_request(body, model_ids=model_ids, betas=betas)


def converse(*messages: Any, model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> Any:
    """Return the arguments for `LLMManager.converse`."""
    return mapped(*messages, model_ids=model_ids, **fields).converse


def contents(*messages: Any, **fields: Any) -> list[Any]:
    """Return the content of each turn."""
    return [turn["content"] for turn in converse(*messages, **fields)["messages"]]


def additional(model_id: str, **fields: Any) -> Any:
    """Return `additionalModelRequestFields`, or None."""
    return converse(model_ids=(model_id,), **fields).get("additional_model_request_fields")


def rejection(*messages: Any, model_ids: tuple[str, ...] = (NOVA,), **fields: Any) -> MappingError:
    """Return the error for a request that cannot be mapped."""
    try:
        mapped(*messages, model_ids=model_ids, **fields)
    except MappingError as error:
        return error
    raise AssertionError("the request was mapped")


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def image(content: bytes = PNG, **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/jpeg", "data": encoded(content)}
    return {"type": "image", "source": source, **more}


def document(source: Any, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


def pdf() -> dict[str, Any]:
    return {"type": "base64", "media_type": "application/pdf", "data": encoded(PDF)}


def plain(content: str) -> dict[str, Any]:
    return {"type": "text", "media_type": "text/plain", "data": content}


def call(id_: str = "toolu_1", name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": {"city": "Lima"}, **more}


def result(id_: str = "toolu_1", content: Any = "19 degrees", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}
