"""`instructions` and `input` of a request of the Responses API as a system prompt and a conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.conversation import ConversationParts, LocatedBlock
from lambdas.streaming_api.json_fields import (
    optional_text,
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing, unsupported
from lambdas.streaming_api.responses.content_parts import (
    ASSISTANT_PARTS,
    TEXT_PARTS,
    USER_PARTS,
    content_blocks,
)
from lambdas.streaming_api.responses.reasoning_items import is_foreign, reasoning_block
from lambdas.streaming_api.responses.tool_fields import CUSTOM_TOOL
from lambdas.streaming_api.responses.tool_namespaces import ToolName

_SYSTEM = ("system", "developer")
_ROLES = (*_SYSTEM, "user", "assistant")
_INSTEAD = {
    "additional_tools": "send the tools in tools",
    "custom_tool_call": CUSTOM_TOOL,
    "custom_tool_call_output": CUSTOM_TOOL,
    "item_reference": "items are not stored; send the item itself",
}
_ITEMS = "send only message, function_call, function_call_output and reasoning items"


@dataclass(frozen=True, slots=True)
class ResponseInput:
    """The input of a request.

    Attributes:
        conversation: the system prompt and the conversation.
        names: the names of called tools in namespaces, by full name.
        ignored: the fields without effect.
    """

    conversation: ConversationParts
    names: Mapping[str, ToolName]
    ignored: Sequence[str]


def read_input(body: Mapping[str, Any]) -> ResponseInput:
    """Return the instructions and the items of a request.

    The instructions and leading messages of the system and of the developer are the system prompt, and later
    ones are text of the user. If the other items have no content, the prompt is the message of the user.

    Raises:
        MappingError: an item is invalid, cannot be mapped, or there is no content.
    """
    reader = _Reader(ConversationParts(), {})
    instructions = optional_text(body.get("instructions"), "instructions")
    reader.conversation.add_system([LocatedBlock({"text": instructions}, "instructions")])
    given = required(body, "input", "input")
    if isinstance(given, str):
        reader.conversation.add("user", [LocatedBlock({"text": given}, "input")])
    else:
        for index, item in enumerate(read_list(given, "input")):
            reader.read(read_object(item, f"input[{index}]"), f"input[{index}]")
    reader.conversation.require_content("input")
    ignored = ["input.encrypted_content"] if reader.has_foreign_reasoning else []
    return ResponseInput(reader.conversation, reader.names, ignored)


@dataclass(slots=True)
class _Reader:
    """Reads items, and adds their content to the conversation.

    Attributes:
        is_leading: whether all items so far are part of the system prompt.
    """

    conversation: ConversationParts
    names: dict[str, ToolName]
    is_leading: bool = True
    has_foreign_reasoning: bool = False

    def read(self, item: Mapping[str, Any], path: str) -> None:
        type_ = _type(item, path)
        if type_ == "message":
            self._message(item, path)
            return
        self.is_leading = False
        match type_:
            case "function_call":
                self._tool_call(item, path)
            case "function_call_output":
                self._tool_result(item, path)
            case "reasoning":
                self._reasoning(item, path)
            case _:
                raise unsupported(f"{path}.type", _INSTEAD.get(type_, _ITEMS))

    def _message(self, item: Mapping[str, Any], path: str) -> None:
        role = read_choice(required(item, "role", f"{path}.role"), f"{path}.role", _ROLES)
        content, here = required(item, "content", f"{path}.content"), f"{path}.content"
        if role == "assistant":
            self.conversation.add("assistant", content_blocks(content, here, ASSISTANT_PARTS))
        elif role in _SYSTEM and self.is_leading:
            self.conversation.add_system(content_blocks(content, here, TEXT_PARTS))
            return
        else:
            types = TEXT_PARTS if role in _SYSTEM else USER_PARTS
            self.conversation.add("user", content_blocks(content, here, types))
        self.is_leading = False

    def _tool_call(self, item: Mapping[str, Any], path: str) -> None:
        id_ = read_text(required(item, "call_id", f"{path}.call_id"), f"{path}.call_id")
        text = read_text(required(item, "name", f"{path}.name"), f"{path}.name")
        if not text:
            raise missing(f"{path}.name")
        name = ToolName(text, optional_text(item.get("namespace"), f"{path}.namespace"))
        if name.namespace:
            self.names[name.full] = name
        arguments = read_text(item.get("arguments") or "{}", f"{path}.arguments")
        self.conversation.add_tool_call(id_, name.full, arguments, path=path)

    def _tool_result(self, item: Mapping[str, Any], path: str) -> None:
        id_ = read_text(required(item, "call_id", f"{path}.call_id"), f"{path}.call_id")
        output, here = required(item, "output", f"{path}.output"), f"{path}.output"
        if not isinstance(output, str | list):
            # Some clients send the value itself.
            output = json.dumps(output, ensure_ascii=False)
        self.conversation.add_tool_result(id_, content_blocks(output, here, USER_PARTS), path=path)

    def _reasoning(self, item: Mapping[str, Any], path: str) -> None:
        block = reasoning_block(item, path)
        if block is not None:
            self.conversation.add("assistant", [LocatedBlock(block, f"{path}.encrypted_content")])
        self.has_foreign_reasoning |= is_foreign(item)


def _type(item: Mapping[str, Any], path: str) -> str:
    """Return the type of an item. Messages and references need none."""
    if item.get("type") is not None:
        return read_text(item["type"], f"{path}.type")
    if item.get("role") is not None:
        return "message"
    if item.get("id") is not None:
        return "item_reference"
    raise missing(f"{path}.type")
