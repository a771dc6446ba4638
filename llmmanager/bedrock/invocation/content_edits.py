"""Removes unsupported content from a request: from its messages, system prompt and tools.

Functions return a changed copy that shares the unchanged parts. The given request is not changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from llmmanager.bedrock.invocation.parameter_edits import (
    AnswerTool,
    Check,
    Edit,
    Request,
    answer_tool_as_instruction,
    has_answer_tool,
    without_member,
)

Block = Mapping[str, Any]

OMITTED = "(omitted: this model does not accept it)"
MEDIA = ("image", "document", "video", "audio")


class _Moved(dict[str, Any]):
    """A block that was moved from a tool result to its message, or the text before such a block."""


class _MovedNote(dict[str, Any]):
    """A text block in a tool result in place of a moved block."""


# Blocks of messages


def blocks(request: Request, *, role: str | None = None) -> Iterator[Block]:
    """Yield the content blocks of all messages or of one role, including those in tool results."""
    for message in _messages(request):
        if role in (None, message["role"]):
            for block in message["content"]:
                yield block
                yield from _result_content(block)


def _messages(request: Request) -> Iterable[Mapping[str, Any]]:
    # A request for a managed prompt may have no messages.
    messages: Iterable[Mapping[str, Any]] = request.get("messages") or ()
    return messages


def _result_content(block: Block) -> Iterable[Block]:
    content: Iterable[Block] = block["toolResult"]["content"] if "toolResult" in block else ()
    return content


def has_block(kind: str, *, role: str | None = None) -> Check:
    """Return a check for a block of this kind."""
    return lambda request: any(kind in block for block in blocks(request, role=role))


def drop_block(kind: str, *, role: str | None = None) -> Edit:
    """Return an edit that removes every block of this kind."""
    return change_blocks(lambda block: [] if kind in block else [block], role=role)


def change_blocks(change: Callable[[Block], Iterable[Block]], *, role: str | None = None) -> Edit:
    """Return an edit that replaces each content block, also inside tool results, with the blocks of `change`.

    Converse rejects empty content. If no block is left, a text block is inserted.
    """

    def content(original: Iterable[Block]) -> list[Block]:
        changed: list[Block] = []
        for block in original:
            if "toolResult" in block:
                result = block["toolResult"]
                block = {**block, "toolResult": {**result, "content": content(result["content"])}}
            changed += change(block)
        return changed or [{"text": OMITTED}]

    return change_content(content, role=role)


def change_content(change: Callable[[list[Block]], list[Block]], *, role: str | None = None) -> Edit:
    """Return an edit that replaces the content of each message, or of each message of a role."""

    def edit(request: Request) -> Request:
        messages = [
            {**message, "content": change(message["content"])} if role in (None, message["role"]) else message
            for message in _messages(request)
        ]
        return {**request, "messages": messages} if messages else request

    return edit


# Media in tool results


def has_media_in_tool_results(kind: str) -> Check:
    """Return a check for a block of this kind inside a tool result."""
    return lambda request: any(kind in inner for block in blocks(request) for inner in _result_content(block))


def move_out_of_tool_results(kind: str) -> Edit:
    """Return an edit that moves blocks of this kind from tool results to the end of their message."""

    def content(original: list[Block]) -> list[Block]:
        kept: list[Block] = []
        moved: list[Block] = []
        for block in original:
            if any(kind in inner for inner in _result_content(block)):
                result = block["toolResult"]
                inside: list[Block] = []
                for inner in result["content"]:
                    if kind in inner:
                        inside.append(_MovedNote(text=f"({kind}: see after the tool results)"))
                        introduction = f"({kind} from the tool result {result['toolUseId']})"
                        moved += [_Moved(text=introduction), _Moved(inner)]
                    else:
                        inside.append(inner)
                block = {**block, "toolResult": {**result, "content": inside}}
            kept.append(block)
        return [*kept, *moved]

    return change_content(content)


def has_moved_media(request: Request) -> bool:
    """Whether the request contains blocks moved by `move_out_of_tool_results`."""
    return any(isinstance(block, _Moved) for block in blocks(request))


drop_moved_media = change_blocks(
    lambda block: (
        [] if isinstance(block, _Moved) else [{"text": OMITTED}] if isinstance(block, _MovedNote) else [block]
    )
)
"""Edit that removes the blocks moved by `move_out_of_tool_results`."""


# Tools


def has_tools(request: Request) -> bool:
    """Whether the request contains tools other than an answer tool, tool uses or tool results."""
    tools = request.get("toolConfig", {}).get("tools", ())
    return not all(isinstance(tool, AnswerTool) for tool in tools) or any(
        "toolUse" in block or "toolResult" in block for block in blocks(request)
    )


def drop_tools(request: Request) -> Request:
    """Remove the tools. Earlier tool uses and results become text: Converse rejects them without tools.

    An answer tool becomes an instruction.
    """
    if has_answer_tool(request):
        request = answer_tool_as_instruction(request)
    return change_content(lambda content: [new for block in content for new in _tool_block_as_text(block)])(
        without_member(request, "toolConfig")
    )


def _tool_block_as_text(block: Block) -> list[Block]:
    if "toolUse" in block:
        use = block["toolUse"]
        return [{"text": f"[called {use.get('name')} with {json.dumps(use.get('input'), default=str)}]"}]
    if "toolResult" not in block:
        return [block]
    parts: list[str] = []
    beside: list[Block] = []
    for inner in _result_content(block):
        if "text" in inner:
            parts.append(inner["text"])
        elif any(kind in inner for kind in (*MEDIA, "cachePoint")):
            beside.append(inner)
        else:
            parts.append(json.dumps(inner.get("json", inner), default=str))
    return [{"text": f"[tool result: {' '.join(parts)}]"}, *beside]


def has_strict_tools(request: Request) -> bool:
    """Whether a tool has `strict`."""
    return any("strict" in tool.get("toolSpec", ()) for tool in _tools(request))


def drop_strict(request: Request) -> Request:
    """Remove `strict` from every tool."""
    tools = [
        {**tool, "toolSpec": without_member(tool["toolSpec"], "strict")}
        if "strict" in tool.get("toolSpec", ())
        else tool
        for tool in _tools(request)
    ]
    return {**request, "toolConfig": {**request["toolConfig"], "tools": tools}}


def _tools(request: Request) -> list[Block]:
    tools: list[Block] = request.get("toolConfig", {}).get("tools", [])
    return tools


# Cache points


def has_cache_points_in_tools(request: Request) -> bool:
    """Whether the tools contain a cache point."""
    return any("cachePoint" in tool for tool in _tools(request))


def drop_cache_points_in_tools(request: Request) -> Request:
    """Remove the cache points from the tools."""
    tools = [tool for tool in _tools(request) if "cachePoint" not in tool]
    return {**request, "toolConfig": {**request["toolConfig"], "tools": tools}}


def has_cache_points_in_system(request: Request) -> bool:
    """Whether the system prompt contains a cache point."""
    return any("cachePoint" in block for block in request.get("system", ()))


def drop_cache_points_in_system(request: Request) -> Request:
    """Remove the cache points from the system prompt, and the prompt if it is empty then."""
    system = [block for block in request["system"] if "cachePoint" not in block]
    rest = without_member(request, "system")
    return {**rest, "system": system} if system else rest


def has_cache_points(request: Request) -> bool:
    """Whether the request contains a cache point."""
    return (
        has_block("cachePoint")(request)
        or has_cache_points_in_system(request)
        or has_cache_points_in_tools(request)
    )


def drop_cache_points(request: Request) -> Request:
    """Remove all cache points."""
    if has_cache_points_in_tools(request):
        request = drop_cache_points_in_tools(request)
    if has_cache_points_in_system(request):
        request = drop_cache_points_in_system(request)
    return drop_block("cachePoint")(request) if has_block("cachePoint")(request) else request


def kinds_before_cache_points(request: Request) -> frozenset[str]:
    """Return the kinds of the blocks before cache points in messages, "" for the start of a message."""
    return frozenset(
        next(iter(before), "")
        for message in _messages(request)
        for before, block in zip([{}, *message["content"]], message["content"], strict=False)
        if "cachePoint" in block
    )


# System prompt, documents, reasoning


def has_system(request: Request) -> bool:
    """Whether there is a system prompt, and a user message to which it can move."""
    return "system" in request and any(message["role"] == "user" for message in _messages(request))


def fold_system(request: Request) -> Request:
    """Move the system prompt, with its guard content and cache points, to the first user message."""
    messages = list(request["messages"])
    first = next(index for index, message in enumerate(messages) if message["role"] == "user")
    content = [*request["system"], *messages[first]["content"]]
    messages[first] = {**messages[first], "content": content}
    return {**without_member(request, "system"), "messages": messages}


def has_citations(request: Request) -> bool:
    """Whether a document requests citations."""
    return any("citations" in block["document"] for block in blocks(request) if "document" in block)


drop_citations = change_blocks(
    lambda block: (
        [{**block, "document": without_member(block["document"], "citations")}]
        if "document" in block
        else [block]
    )
)
"""Edit that removes the request for citations from documents."""


def reasoning_texts(request: Request) -> Iterator[Mapping[str, Any]]:
    """Yield `reasoningText` of every reasoning block."""
    for block in blocks(request):
        text = block.get("reasoningContent", {}).get("reasoningText")
        if text is not None:
            yield text


def has_signed_reasoning(request: Request) -> bool:
    """Whether a reasoning block has a signature."""
    return any("signature" in text for text in reasoning_texts(request))


def drop_reasoning_signatures(request: Request) -> Request:
    """Remove the signatures of reasoning blocks."""

    def unsigned(block: Block) -> list[Block]:
        reasoning = block.get("reasoningContent", {})
        if "reasoningText" not in reasoning:
            return [block]
        text = without_member(reasoning["reasoningText"], "signature")
        return [{**block, "reasoningContent": {**reasoning, "reasoningText": text}}]

    return change_blocks(unsigned)(request)


def has_unsigned_reasoning(request: Request) -> bool:
    """Whether a reasoning block has no signature."""
    return any(not text.get("signature") for text in reasoning_texts(request))


drop_unsigned_reasoning = change_blocks(
    lambda block: (
        [block]
        if block.get("reasoningContent", {}).get("reasoningText", {"signature": True}).get("signature")
        else []
    )
)
"""Edit that removes reasoning blocks without a signature."""
