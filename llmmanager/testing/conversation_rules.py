"""Converse's rules for conversations with any model, with Bedrock's error messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from .errors import ServiceError, invalid

_MAX_DOCUMENTS = 5
_DOCUMENT_NAME = re.compile(r"(?!.*  )[A-Za-z0-9\-()\[\]_ ]+")
_USER_ONLY = ("image", "document", "video", "audio")


def check_conversation(body: Mapping[str, Any]) -> None:
    """Raise ServiceError if the request breaks a rule of Converse that applies to every model."""
    messages = body.get("messages") or []
    _check_turns(messages)
    _check_json_objects(body, messages)
    _check_roles(messages)
    _check_tool_turns(body, messages)
    _check_failed_results(messages)
    _check_documents(messages)


def blocks_of(messages: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], str, bool]]:
    """Yield each content block with its path, its message's role, and whether it is inside a tool result."""
    for turn, message in enumerate(messages):
        for index, block in enumerate(message["content"]):
            path = f"messages.{turn}.content.{index}"
            yield path, block, message["role"], False
            for number, inner in enumerate((block.get("toolResult") or {}).get("content") or []):
                yield f"{path}.toolResult.content.{number}", inner, message["role"], True


def _check_turns(messages: list[dict[str, Any]]) -> None:
    turns = [message for message in messages if message["role"] != "system"]
    if not turns or turns[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    if any(one["role"] == two["role"] for one, two in pairwise(turns)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )
    for turn, message in enumerate(messages):
        if not message["content"]:
            raise invalid(
                f"The content field in the Message object at messages.{turn} is empty. Add a ContentBlock "
                "object to the content field and try again."
            )
        for index, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                raise invalid(
                    f"The text field in the ContentBlock object at messages.{turn}.content.{index} is blank. "
                    "Add text to the text field, and try again."
                )


def _check_json_objects(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> None:
    """Raise ServiceError if a field that must be a JSON object has another JSON value."""
    fields = body.get("additionalModelRequestFields")
    if fields is not None and not isinstance(fields, dict):
        raise invalid(
            "The format of the additionalModelRequestFields field is invalid. Provide a json object for the "
            "field and try again."
        )
    for path, value in _json_values(body, messages):
        if not isinstance(value, dict):
            raise invalid(
                f"The format of the value at {path} is invalid. Provide a json object for the field and try "
                "again."
            )


def _json_values(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for index, tool in enumerate((body.get("toolConfig") or {}).get("tools") or []):
        if "toolSpec" in tool:
            path = f"toolConfig.tools.{index}.toolSpec.inputSchema.json"
            yield path, tool["toolSpec"]["inputSchema"].get("json")
    for path, block, _, _ in blocks_of(messages):
        if "toolUse" in block:
            yield f"{path}.toolUse.input", block["toolUse"].get("input")
        elif "json" in block:
            yield f"{path}.json", block["json"]


def _check_roles(messages: list[dict[str, Any]]) -> None:
    for _, block, role, _ in blocks_of(messages):
        if role == "user" and "reasoningContent" in block:
            raise invalid(
                "User messages cannot contain reasoning content. Please remove the reasoning content and try "
                "again."
            )
        misplaced = ("toolUse",) if role == "user" else (*_USER_ONLY, "toolResult")
        for kind in misplaced:
            if kind in block:
                raise unsupported_field(kind, role)


def unsupported_field(field: str, role: str) -> ServiceError:
    """Return Bedrock's error for a content block that is not supported in a role."""
    return invalid(
        f"This model doesn't support the {field} field for {role} messages. Remove {field} and try again."
    )


def _check_tool_turns(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> None:
    pending: list[str] = []
    for turn, message in enumerate(messages):
        calls = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if (calls or results) and not body.get("toolConfig"):
            raise invalid(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            )
        for kind, ids in (("toolUse", calls), ("toolResult", results)):
            if repeated := [one for one, count in Counter(ids).items() if count > 1]:
                raise invalid(
                    f"The {kind} blocks at messages.{turn}.content contain duplicate Ids: "
                    f"{', '.join(repeated)}"
                )
        if missing := [tool_use_id for tool_use_id in pending if tool_use_id not in results]:
            raise invalid(
                f"Expected toolResult blocks at messages.{turn}.content for the following Ids: "
                f"{', '.join(missing)}"
            )
        if len(results) > len(pending):
            raise invalid(
                f"The number of toolResult blocks at messages.{turn}.content exceeds the number of toolUse "
                "blocks of previous turn."
            )
        pending = calls


def _check_failed_results(messages: list[dict[str, Any]]) -> None:
    for path, block, _, _ in blocks_of(messages):
        result = block.get("toolResult") or {}
        if result.get("status") == "error" and not result["content"]:
            raise invalid(
                f"The content field at {path}.toolResult cannot be empty when status value is error."
            )


def _check_documents(messages: list[dict[str, Any]]) -> None:
    names = [block["document"]["name"] for _, block, _, _ in blocks_of(messages) if "document" in block]
    if not all(_DOCUMENT_NAME.fullmatch(name) for name in names):
        raise invalid(
            "The document file name can only contain alphanumeric characters, whitespace characters, "
            "hyphens, parentheses, and square brackets. The name can't contain more than one "
            "consecutive whitespace character."
        )
    if len(names) > _MAX_DOCUMENTS:
        raise invalid(
            f"You can't include more than {_MAX_DOCUMENTS} documents in a request. Reduce the number of "
            "documents and retry your request."
        )
    if len({name.casefold() for name in names}) < len(names):
        raise invalid(
            "Messages can't contain duplicate document names. Rename the document and retry your request."
        )
    for message in messages:
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and "text" not in kinds:
            raise invalid("A text block must be included when using documents.")
