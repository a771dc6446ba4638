"""Places the cache points of `prompt_cache="auto"` for one model.

A cache point caches everything before it: tools, then system prompt, then messages. Points are placed

* behind the tools, and behind the system prompt: the part that other requests share;
* behind the last two user messages of a conversation with history: the previous request of the conversation
  has written up to the first of them, and the next one reads up to the second.

Source: AWS's page "Prompt caching" (2026-11): at most 4 cache points, in messages, system and tools, but not
in the tools of Nova. A cache point behind a shorter prefix than the model's minimum has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.tokens.typical_tokens import typical_tokens

Request = Mapping[str, Any]

MAX_CACHE_POINTS = 4
PARTS = ("tools", "system", "messages")
"""The parts of a prompt in the order in which they are cached."""
_HISTORY_POINTS = 2
_POINT = {"cachePoint": {"type": "default"}}
# These models reject cache points in tools, and in messages with tool blocks.
_NOT_BESIDE_TOOLS = ("amazon.nova-",)
_TOOL_BLOCKS = ("toolUse", "toolResult")


def min_cached_tokens(model_id: str) -> int | None:
    """Return the shortest prefix that the model caches; None if it is not known to support cache points."""
    data = model_data(model_id)
    return data.min_cached_tokens if data else None


def with_cache_points(request: Request, model_id: str) -> Request:
    """Return the request with cache points for a model. The given request is not changed.

    Nothing is added to a part (tools, system, messages) that contains cache points of the caller.

    Args:
        request: a valid Converse request.
    """
    minimum = min_cached_tokens(model_id)
    if minimum is None:
        return request
    given = {part: list(_points(request, part)) for part in PARTS}
    room = MAX_CACHE_POINTS - sum(map(len, given.values()))
    beside_tools = not model_id.startswith(_NOT_BESIDE_TOOLS)
    tools, system = _tools(request), request.get("system") or ()
    in_tools = typical_tokens(tools)
    in_prefix = in_tools + typical_tokens(system)
    # A five-minute cache point must not precede a one-hour cache point of the caller.
    after_system = _lasts_an_hour(given["messages"])
    if system and room > 0 and not given["system"] and not after_system and in_prefix >= minimum:
        request, room = {**request, "system": [*system, _POINT]}, room - 1
    if not given["messages"]:
        request, added = _with_history_points(request, room, minimum - in_prefix, beside_tools=beside_tools)
        room -= added
    after_tools = after_system or _lasts_an_hour(given["system"])
    if tools and room > 0 and beside_tools and not given["tools"] and not after_tools and in_tools >= minimum:
        config = request["toolConfig"]
        request = {**request, "toolConfig": {**config, "tools": [*tools, _POINT]}}
    return request


def tokens_before_last_point(request: Request) -> float | None:
    """Return the typical number of tokens before the last cache point; None without a cache point."""
    total, found = 0.0, None
    for part in PARTS:
        for block in blocks_of(request, part):
            if "cachePoint" in block:
                found = total
            else:
                total += typical_tokens(block)
    return found


def _with_history_points(
    request: Request, room: int, missing: float, *, beside_tools: bool
) -> tuple[Request, int]:
    """Return the request with cache points in its messages, and their number.

    Args:
        room: how many may be added.
        missing: how many tokens the messages need before a cache point.
    """
    messages = list(request.get("messages") or ())
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    if not any(message["role"] == "assistant" for message in messages[: users[-1] if users else 0]):
        return request, 0
    accepting = (index for index in reversed(users) if beside_tools or not _has_tool_block(messages[index]))
    added = 0
    for index in islice(accepting, max(0, min(room, _HISTORY_POINTS))):
        before = sum(typical_tokens(message["content"]) for message in messages[: index + 1])
        if before >= missing:
            messages[index] = {**messages[index], "content": [*messages[index]["content"], _POINT]}
            added += 1
    return ({**request, "messages": messages}, added) if added else (request, 0)


def _has_tool_block(message: Mapping[str, Any]) -> bool:
    return any(kind in block for block in message["content"] for kind in _TOOL_BLOCKS)


def _tools(request: Request) -> Sequence[Mapping[str, Any]]:
    return (request.get("toolConfig") or {}).get("tools") or ()


def blocks_of(request: Request, part: str) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks of one of `PARTS`."""
    if part == "tools":
        yield from _tools(request)
    elif part == "system":
        yield from request.get("system") or ()
    else:
        for message in request.get("messages") or ():
            yield from message["content"]


def _points(request: Request, part: str) -> Iterator[Mapping[str, Any]]:
    return (block["cachePoint"] for block in blocks_of(request, part) if "cachePoint" in block)


def _lasts_an_hour(points: Sequence[Mapping[str, Any]]) -> bool:
    return any(point.get("ttl") == "1h" for point in points)
