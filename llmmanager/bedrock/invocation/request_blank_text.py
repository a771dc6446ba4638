"""Leaves blank text out of a conversation.

Models answer with blank text blocks, and now and then with nothing at all. Converse rejects both when they
are sent back as history ("The text field in the ContentBlock object at … is blank", "The content field in the
Message object at … is empty").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmmanager.bedrock.invocation.request_conversation import is_blank

# Two user messages in a row are rejected, and joined into one they read as one question.
EMPTY_ANSWER = "[empty answer]"

Message = Mapping[str, Any]


def without_blank_text(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a valid request without the blank text of assistant messages and tool results, and warnings.

    An assistant message without other content is sent as `EMPTY_ANSWER`, with a warning; at the end of the
    conversation it is left out. The request is not changed, and unchanged parts are shared with it.
    """
    messages: Sequence[Message] = request.get("messages") or ()
    if not any(map(_may_change, messages)):
        return request, []
    kept: list[Message] = []
    warnings = []
    for index, message in enumerate(messages):
        content = _content(message)
        if message["role"] == "assistant" and all("cachePoint" in block for block in content):
            if index == len(messages) - 1:
                continue
            content = [{"text": EMPTY_ANSWER}, *content]
            warnings.append(f'messages[{index}] of the assistant is empty and was sent as "{EMPTY_ANSWER}"')
        kept.append(message if content is message["content"] else {**message, "content": content})
    return (request if _are_same(kept, messages) else {**request, "messages": kept}), warnings


def _may_change(message: Message) -> bool:
    """Whether the message may hold blank text; quick, since most do not."""
    content = message["content"]
    if message["role"] == "assistant" and not content:
        return True
    return any(
        "toolResult" in block or "cachePoint" in block or is_blank(block.get("text")) for block in content
    )


def _content(message: Message) -> Sequence[Mapping[str, Any]]:
    given: Sequence[Mapping[str, Any]] = message["content"]
    blocks = [_block(block) for block in given]
    if message["role"] == "assistant":
        blocks = _without_blank(blocks)
    return given if _are_same(blocks, given) else blocks


def _block(block: Mapping[str, Any]) -> Mapping[str, Any]:
    if "toolResult" not in block:
        return block
    result = block["toolResult"]
    content = _without_blank(result["content"])
    if len(content) == len(result["content"]):
        return block
    return {"toolResult": {**result, "content": content}}


def _without_blank(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [block for block in blocks if not is_blank(block.get("text"))]


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
