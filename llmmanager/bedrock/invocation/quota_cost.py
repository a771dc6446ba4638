"""How many tokens a request may use, and how many of them Bedrock reserves and counts against a quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmmanager.bedrock.catalog.model_table import model_data

_BYTES_PER_TOKEN = 4
# Below this size a request holds no media worth looking for.
_SMALL_BODY = 16_000
# What a model of unknown limits may answer when `maxTokens` is not set.
_USUAL_MAX_OUTPUT = 4096
_MEDIA_TOKENS = {"image": 1_600, "video": 10_000, "audio": 2_000}
_MOST_DOCUMENT_TOKENS = 50_000


def reserved_tokens(request: Mapping[str, Any], body: bytes, model_id: str) -> int:
    """Estimate the tokens that Bedrock reserves when the request starts: input and `maxTokens`.

    Args:
        body: the request as it is sent.
    """
    return input_tokens(request, body) + most_output_tokens(request, model_id)


def most_output_tokens(request: Mapping[str, Any], model_id: str) -> int:
    """Return the tokens that the model may answer at most: `maxTokens`, or the model's own limit."""
    max_tokens = (request.get("inferenceConfig") or {}).get("maxTokens")
    if isinstance(max_tokens, int):
        return max_tokens
    data = model_data(model_id)
    return (data.max_output_tokens if data else None) or _USUAL_MAX_OUTPUT


def settled_tokens(answer: Mapping[str, Any], model_id: str) -> int | None:
    """Return the tokens that Bedrock counts for an answer; None when its usage is not known.

    Cached input is free; an output token counts as several of some models.

    Args:
        answer: the Converse response, or a stream's `metadata` event.
    """
    usage = answer.get("usage")
    if not isinstance(usage, Mapping) or not isinstance(usage.get("outputTokens"), int):
        return None
    data = model_data(model_id)
    burndown = (data.output_burndown if data else None) or 1
    taken = (usage.get("inputTokens") or 0) + (usage.get("cacheWriteInputTokens") or 0)
    return int(taken + usage["outputTokens"] * burndown)


def latency_seconds(answer: Mapping[str, Any] | None) -> float | None:
    """Return the time that Bedrock took for an answer, as it measured it; None when it is not known."""
    milliseconds = ((answer or {}).get("metrics") or {}).get("latencyMs")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def input_tokens(request: Mapping[str, Any], body: bytes) -> int:
    """Estimate the tokens of the request itself.

    Args:
        body: the request as it is sent.
    """
    size, media = len(body), 0
    if size > _SMALL_BODY:
        for kind, data in _media(request):
            size -= len(data) * 4 // 3
            media += _MEDIA_TOKENS.get(kind, min(len(data) // _BYTES_PER_TOKEN, _MOST_DOCUMENT_TOKENS))
    return max(size, 0) // _BYTES_PER_TOKEN + media


def _media(request: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
    for message in request.get("messages") or ():
        for block in _with_tool_results(message.get("content") or ()):
            for kind in ("image", "document", "video", "audio"):
                source = (block.get(kind) or {}).get("source") or {}
                if isinstance(source.get("bytes"), bytes | bytearray | memoryview):
                    yield kind, source["bytes"]


def _with_tool_results(blocks: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for block in blocks:
        yield block
        if "toolResult" in block:
            yield from block["toolResult"].get("content") or ()
