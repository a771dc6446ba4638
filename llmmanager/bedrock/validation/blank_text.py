"""Removes blank text from a conversation.

Models return blank text blocks, and sometimes empty answers. Converse rejects both in the history ("The text
field in the ContentBlock object at … is blank", "The content field in the Message object at … is empty"). It
accepts the empty result of a tool only if the tool did not fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmmanager.bedrock.validation.conversation import is_blank

# An empty answer is replaced, not removed: Converse rejects two user messages in a row, and joining them
# would change their meaning.
EMPTY_ANSWER = "[empty answer]"
EMPTY_ERROR = "[error without a message]"

Message = Mapping[str, Any]


def without_blank_text(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a valid request without blank text in assistant messages and tool results, and warnings.

    An assistant message without other content becomes `EMPTY_ANSWER`, with a warning; as the last message it
    is removed. The empty result of a tool that failed becomes `EMPTY_ERROR`. The given request is not
    changed. Unchanged parts are shared with it.
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
            warnings.append(
                f'messages[{index}] is an empty assistant message and was sent as "{EMPTY_ANSWER}"'
            )
        kept.append(message if content is message["content"] else {**message, "content": content})
    return (request if _are_same(kept, messages) else {**request, "messages": kept}), warnings


def _may_change(message: Message) -> bool:
    """Whether the message may contain blank text. Fast, since most messages do not."""
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
    if not content and result.get("status") == "error":
        content = [{"text": EMPTY_ERROR}]
    elif len(content) == len(result["content"]):
        return block
    return {"toolResult": {**result, "content": content}}


def _without_blank(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [block for block in blocks if not is_blank(block.get("text"))]


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
