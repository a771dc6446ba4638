"""The system prompt and the messages of a request as a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_cache_point
from lambdas.streaming_api.conversation import ConversationParts, LocatedBlock
from lambdas.streaming_api.json_fields import (
    optional_flag,
    optional_object,
    optional_text,
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing
from lambdas.streaming_api.media import read_base64
from lambdas.streaming_api.messages.content_blocks import (
    RESULT_BLOCKS,
    TEXT_BLOCKS,
    USER_BLOCKS,
    content_blocks,
    mapped_block,
    typed_blocks,
)
from lambdas.streaming_api.turns import Part, Role

_ROLES = ("user", "assistant", "system")
_USER_BLOCKS = (*USER_BLOCKS, "tool_result")
_ASSISTANT_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use")


def read_conversation(body: Mapping[str, Any]) -> ConversationParts:
    """Return the system prompt and the messages of a request.

    Messages of the system at the beginning are part of the system prompt, and later ones are text of the
    user. If the others have no content, the prompt is the message of the user.

    Raises:
        MappingError: a message is invalid, cannot be mapped, or there is no content.
    """
    conversation = ConversationParts()
    if body.get("system") is not None:
        conversation.add_system(content_blocks(body["system"], "system", TEXT_BLOCKS))
    is_leading = True
    for index, item in enumerate(read_list(required(body, "messages", "messages"), "messages")):
        path = f"messages[{index}]"
        message = read_object(item, path)
        role = read_choice(required(message, "role", f"{path}.role"), f"{path}.role", _ROLES)
        content = required(message, "content", f"{path}.content")
        is_leading = is_leading and role == "system"
        if is_leading:
            conversation.add_system(content_blocks(content, f"{path}.content", TEXT_BLOCKS))
        elif role == "system":
            conversation.add("user", content_blocks(content, f"{path}.content", TEXT_BLOCKS))
        else:
            _add_message(conversation, "user" if role == "user" else "assistant", content, f"{path}.content")
    conversation.require_content("messages")
    point = read_cache_point(body, "")
    if point is not None:
        _add_last_cache_point(conversation, point)
    return conversation


def _add_message(conversation: ConversationParts, role: Role, content: Any, path: str) -> None:
    types = _USER_BLOCKS if role == "user" else _ASSISTANT_BLOCKS
    if isinstance(content, str):
        conversation.add(role, content_blocks(content, path, types))
        return
    for block, here in typed_blocks(content, path, types):
        match block["type"]:
            case "tool_use":
                _add_tool_call(conversation, block, here)
            case "tool_result":
                _add_tool_result(conversation, block, here)
            case "thinking" | "redacted_thinking":
                conversation.add(role, _reasoning(block, here))
            case _:
                conversation.add(role, mapped_block(block, here))


def _add_tool_call(conversation: ConversationParts, block: Mapping[str, Any], path: str) -> None:
    name = read_text(required(block, "name", f"{path}.name"), f"{path}.name")
    if not name:
        raise missing(f"{path}.name")
    arguments = optional_object(block.get("input"), f"{path}.input")
    conversation.add_tool_call(_id(block, "id", path), name, arguments, path=path)
    conversation.add("assistant", _cache_point(block, path))


def _add_tool_result(conversation: ConversationParts, block: Mapping[str, Any], path: str) -> None:
    id_ = _id(block, "tool_use_id", path)
    conversation.add_tool_result(
        id_,
        [*_result_content(block, path), *_cache_point(block, path)],
        path=path,
        is_error=optional_flag(block.get("is_error"), f"{path}.is_error"),
    )


def _id(block: Mapping[str, Any], name: str, path: str) -> str:
    return read_text(required(block, name, f"{path}.{name}"), f"{path}.{name}")


def _result_content(block: Mapping[str, Any], path: str) -> Iterator[LocatedBlock]:
    if block.get("content") is not None:
        yield from content_blocks(block["content"], f"{path}.content", RESULT_BLOCKS)


def _cache_point(block: Mapping[str, Any], path: str) -> list[LocatedBlock]:
    point = read_cache_point(block, path)
    return [] if point is None else [LocatedBlock(point, path)]


def _reasoning(block: Mapping[str, Any], path: str) -> Iterator[LocatedBlock]:
    """Yield the reasoning of an earlier answer. Models reject it without a signature."""
    if block["type"] == "redacted_thinking":
        data = read_text(required(block, "data", f"{path}.data"), f"{path}.data")
        content = read_base64(data, f"{path}.data")
        yield LocatedBlock({"reasoningContent": {"redactedContent": content}}, path)
        return
    text = optional_text(block.get("thinking"), f"{path}.thinking")
    signature = optional_text(block.get("signature"), f"{path}.signature")
    if signature:
        reasoning = {"text": text, "signature": signature}
        yield LocatedBlock({"reasoningContent": {"reasoningText": reasoning}}, path)


def _add_last_cache_point(conversation: ConversationParts, point: Mapping[str, Any]) -> None:
    """Add a cache point behind the last content of the user, unless there is one."""
    parts = conversation.parts
    last = max((index for index, part in enumerate(parts) if part.role == "user"), default=-1)
    if last >= 0 and "cachePoint" not in parts[last].block:
        parts.insert(last + 1, Part("user", point, "cache_control"))
