"""The messages of a Chat Completions request as a system prompt and parts of a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lambdas.streaming_api.chat_completions.content_parts import (
    ASSISTANT_PARTS,
    TEXT_PARTS,
    TOOL_PARTS,
    USER_PARTS,
    content_blocks,
)
from lambdas.streaming_api.chat_completions.reasoning_details import FIELD, reasoning_blocks
from lambdas.streaming_api.conversation import ConversationParts, LocatedBlock
from lambdas.streaming_api.json_fields import (
    optional_list,
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing, unsupported

_SYSTEM = ("system", "developer")
_ROLES = (*_SYSTEM, "user", "assistant", "tool")


def read_messages(body: Mapping[str, Any]) -> ConversationParts:
    """Return the messages of a request.

    Leading messages of the system and of the developer are the system prompt, and later ones are text of the
    user. If the others have no content, the prompt is the message of the user.

    Raises:
        MappingError: a message is invalid, cannot be mapped, or there is no content.
    """
    given = read_list(required(body, "messages", "messages"), "messages")
    messages = [read_object(item, f"messages[{index}]") for index, item in enumerate(given)]
    roles = [_role(message, f"messages[{index}]") for index, message in enumerate(messages)]
    leading = next((index for index, role in enumerate(roles) if role not in _SYSTEM), len(roles))
    conversation = ConversationParts()
    for index, (role, message) in enumerate(zip(roles, messages, strict=True)):
        path = f"messages[{index}]"
        if index < leading:
            conversation.add_system(content_blocks(message, path, TEXT_PARTS))
        elif role == "assistant":
            _add_assistant(conversation, message, path)
        elif role == "tool":
            _add_tool_result(conversation, message, path)
        else:
            types = USER_PARTS if role == "user" else TEXT_PARTS
            conversation.add("user", content_blocks(message, path, types))
    conversation.require_content("messages")
    return conversation


def _role(message: Mapping[str, Any], path: str) -> str:
    role = required(message, "role", f"{path}.role")
    if role == "function":
        raise unsupported(f"{path}.role", "use the role tool, with tool_call_id")
    return read_choice(role, f"{path}.role", _ROLES)


def _add_assistant(conversation: ConversationParts, message: Mapping[str, Any], path: str) -> None:
    if message.get("function_call") is not None:
        raise unsupported(f"{path}.function_call", "use tool_calls")
    if message.get("audio") is not None:
        raise unsupported(f"{path}.audio", "send the text of the answer in content")
    conversation.add("assistant", _assistant_content(message, path))
    calls = optional_list(message.get("tool_calls"), f"{path}.tool_calls")
    for index, item in enumerate(calls):
        here = f"{path}.tool_calls[{index}]"
        _add_tool_call(conversation, read_object(item, here), here)


def _assistant_content(message: Mapping[str, Any], path: str) -> Iterator[LocatedBlock]:
    for block in reasoning_blocks(message, path):
        yield LocatedBlock(block, f"{path}.{FIELD}")
    yield from content_blocks(message, path, ASSISTANT_PARTS)
    if message.get("refusal") is not None:
        text = read_text(message["refusal"], f"{path}.refusal")
        yield LocatedBlock({"text": text}, f"{path}.refusal")


def _add_tool_call(conversation: ConversationParts, call: Mapping[str, Any], path: str) -> None:
    if call.get("type", "function") != "function":
        raise unsupported(f"{path}.type", 'the only accepted value is "function"')
    function = read_object(required(call, "function", f"{path}.function"), f"{path}.function")
    name = read_text(required(function, "name", f"{path}.function.name"), f"{path}.function.name")
    if not name:
        raise missing(f"{path}.function.name")
    arguments = read_text(function.get("arguments") or "{}", f"{path}.function.arguments")
    id_ = read_text(required(call, "id", f"{path}.id"), f"{path}.id")
    conversation.add_tool_call(id_, name, arguments, path=path)


def _add_tool_result(conversation: ConversationParts, message: Mapping[str, Any], path: str) -> None:
    id_ = read_text(required(message, "tool_call_id", f"{path}.tool_call_id"), f"{path}.tool_call_id")
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        # Some clients send the value itself.
        message = {**message, "content": json.dumps(content, ensure_ascii=False)}
    conversation.add_tool_result(id_, content_blocks(message, path, TOOL_PARTS), path=path)
