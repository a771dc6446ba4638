"""The messages of a Chat Completions request as a system prompt and parts of a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.shared.json_text import InvalidJson, parse
from lambdas.streaming_api.chat_completions.content_parts import (
    ASSISTANT_PARTS,
    TEXT_PARTS,
    TOOL_PARTS,
    USER_PARTS,
    content_blocks,
)
from lambdas.streaming_api.chat_completions.reasoning_details import FIELD, reasoning_blocks
from lambdas.streaming_api.json_fields import (
    optional_list,
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import MappingError, missing, unsupported
from lambdas.streaming_api.tool_names import ToolIds, accepted_name
from lambdas.streaming_api.turns import Part

_SYSTEM = ("system", "developer")
_ROLES = (*_SYSTEM, "user", "assistant", "tool")


@dataclass(slots=True)
class Conversation:
    """The system prompt and the conversation.

    Attributes:
        system: Converse's `system`.
        origins: the client's path for the path of each system block.
        parts: the content of all other messages.
        tool_names: the names of the tools that were called.
        has_names: whether a message has a `name`, which has no effect.
    """

    system: list[Mapping[str, Any]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    tool_names: list[str] = field(default_factory=list)
    has_names: bool = False


def read_messages(body: Mapping[str, Any]) -> Conversation:
    """Return the messages of a request.

    Leading messages of the system and of the developer are the system prompt, and later ones are text of the
    user. If the others have no content, the prompt is the message of the user, because Converse demands one.

    Raises:
        MappingError: a message is invalid, cannot be mapped, or there is no content.
    """
    given = read_list(required(body, "messages", "messages"), "messages")
    messages = [read_object(item, f"messages[{index}]") for index, item in enumerate(given)]
    roles = [_role(message, f"messages[{index}]") for index, message in enumerate(messages)]
    leading = next((index for index, role in enumerate(roles) if role not in _SYSTEM), len(roles))
    conversation = Conversation(has_names=any(message.get("name") is not None for message in messages))
    ids = ToolIds()
    for index, (role, message) in enumerate(zip(roles, messages, strict=True)):
        path = f"messages[{index}]"
        if index < leading:
            _add_system(conversation, message, path)
        elif role == "assistant":
            conversation.parts += _assistant_parts(message, path, ids)
            conversation.tool_names += _tool_names(message)
        elif role == "tool":
            conversation.parts += _tool_result(message, path, ids)
        else:
            types = USER_PARTS if role == "user" else TEXT_PARTS
            conversation.parts += [
                Part("user", block, where) for block, where in content_blocks(message, path, types)
            ]
    if not any(map(_has_content, conversation.parts)):
        _use_system_as_message(conversation)
    return conversation


def _use_system_as_message(conversation: Conversation) -> None:
    if not conversation.system:
        raise MappingError("messages", "must contain text, a file or the result of a tool")
    paths = conversation.origins.values()
    conversation.parts = [
        Part("user", block, path) for block, path in zip(conversation.system, paths, strict=True)
    ]
    conversation.system, conversation.origins = [], {}


def _role(message: Mapping[str, Any], path: str) -> str:
    role = required(message, "role", f"{path}.role")
    if role == "function":
        raise unsupported(f"{path}.role", "use the role tool, with tool_call_id")
    return read_choice(role, f"{path}.role", _ROLES)


def _has_content(part: Part) -> bool:
    text = part.block.get("text")
    return bool(text.strip()) if isinstance(text, str) else "cachePoint" not in part.block


def _add_system(conversation: Conversation, message: Mapping[str, Any], path: str) -> None:
    is_blank = False
    for block, where in content_blocks(message, path, TEXT_PARTS):
        if "text" in block:
            is_blank = not block["text"].strip()
        if not is_blank:
            conversation.origins[f"system[{len(conversation.system)}]"] = where
            conversation.system.append(block)


def _assistant_parts(message: Mapping[str, Any], path: str, ids: ToolIds) -> Iterator[Part]:
    if message.get("function_call") is not None:
        raise unsupported(f"{path}.function_call", "use tool_calls")
    if message.get("audio") is not None:
        raise unsupported(f"{path}.audio", "send the text of the answer in content")
    for block in reasoning_blocks(message, path):
        yield Part("assistant", block, f"{path}.{FIELD}")
    for block, where in content_blocks(message, path, ASSISTANT_PARTS):
        yield Part("assistant", block, where)
    if message.get("refusal") is not None:
        text = read_text(message["refusal"], f"{path}.refusal")
        yield Part("assistant", {"text": text}, f"{path}.refusal")
    calls = optional_list(message.get("tool_calls"), f"{path}.tool_calls")
    for index, item in enumerate(calls):
        here = f"{path}.tool_calls[{index}]"
        yield Part("assistant", _tool_use(read_object(item, here), here, ids), here)


def _tool_names(message: Mapping[str, Any]) -> list[str]:
    """Return the names of the tools that a valid message of the assistant calls."""
    return [call["function"]["name"] for call in message.get("tool_calls") or ()]


def _tool_use(call: Mapping[str, Any], path: str, ids: ToolIds) -> Mapping[str, Any]:
    if call.get("type", "function") != "function":
        raise unsupported(f"{path}.type", 'the only accepted value is "function"')
    function = read_object(required(call, "function", f"{path}.function"), f"{path}.function")
    name = read_text(required(function, "name", f"{path}.function.name"), f"{path}.function.name")
    if not name:
        raise missing(f"{path}.function.name")
    given = read_text(function.get("arguments") or "{}", f"{path}.function.arguments")
    id_ = read_text(required(call, "id", f"{path}.id"), f"{path}.id")
    return {
        "toolUse": {"toolUseId": ids.of_call(id_), "name": accepted_name(name), "input": _arguments(given)}
    }


def _arguments(text: str) -> Mapping[str, Any]:
    """Return the arguments of an earlier call. Models write invalid JSON, which a client cannot repair."""
    try:
        value = parse(text) if text.strip() else {}
    except InvalidJson:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def _tool_result(message: Mapping[str, Any], path: str, ids: ToolIds) -> list[Part]:
    """Return the result, and the cache point behind it if the message or one of its parts has one."""
    id_ = read_text(required(message, "tool_call_id", f"{path}.tool_call_id"), f"{path}.tool_call_id")
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        # Some clients send the value itself.
        message = {**message, "content": json.dumps(content, ensure_ascii=False)}
    blocks = [block for block, _ in content_blocks(message, path, TOOL_PARTS)]
    content = [block for block in blocks if "cachePoint" not in block]
    points = [block for block in blocks if "cachePoint" in block]
    result = {"toolResult": {"toolUseId": ids.of_result(id_), "content": content}}
    return [Part("user", block, path) for block in (result, *points[-1:])]
