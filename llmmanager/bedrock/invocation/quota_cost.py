"""Estimate the tokens of a request, and how many of them Bedrock counts against a quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.models.usage import token_counts

BYTES_PER_TOKEN = 4
# A smaller request contains no media that would change the estimate.
_SMALL_BODY = 16_000
# Maximum output of a model with unknown limits if `maxTokens` is not set.
_DEFAULT_MAX_OUTPUT = 4096
MEDIA_TOKENS = {"image": 1_600, "video": 10_000, "audio": 2_000}
"""Typical tokens of a file by the kind of its block."""
MAX_DOCUMENT_TOKENS = 50_000
"""The most tokens that a document is estimated at."""


def reserved_tokens(request: Mapping[str, Any], body: bytes, model_id: str) -> int:
    """Estimate the tokens that Bedrock reserves when the request starts: input and `maxTokens`.

    Args:
        body: the encoded request.
    """
    return input_tokens(request, body) + max_output_tokens(request, model_id)


def max_output_tokens(request: Mapping[str, Any], model_id: str) -> int:
    """Return the maximum output tokens: `maxTokens`, or the limit of the model."""
    max_tokens = (request.get("inferenceConfig") or {}).get("maxTokens")
    if isinstance(max_tokens, int):
        return max_tokens
    data = model_data(model_id)
    return (data.max_output_tokens if data else None) or _DEFAULT_MAX_OUTPUT


def expected_output_tokens(request: Mapping[str, Any], model_id: str, expected: int | None) -> int:
    """Return the expected output tokens of a request, at most its maximum. None expects the maximum."""
    most = max_output_tokens(request, model_id)
    return most if expected is None else min(expected, most)


def settled_tokens(answer: Mapping[str, Any], model_id: str) -> int | None:
    """Return the tokens that Bedrock counts for an answer; None if its usage is unknown.

    Cached input is free. For some models, an output token counts several times.

    Args:
        answer: the Converse response, or a stream's `metadata` event.
    """
    counts = token_counts(answer.get("usage"))
    if counts is None or not isinstance(answer["usage"].get("outputTokens"), int):
        return None
    data = model_data(model_id)
    burndown = (data.output_burndown if data else None) or 1
    return counts["inputTokens"] + counts["cacheWriteInputTokens"] + counts["outputTokens"] * burndown


def latency_seconds(answer: Mapping[str, Any] | None) -> float | None:
    """Return the seconds that Bedrock measured for an answer; None if unknown."""
    milliseconds = ((answer or {}).get("metrics") or {}).get("latencyMs")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def input_tokens(request: Mapping[str, Any], body: bytes) -> int:
    """Estimate the input tokens of a request.

    Args:
        body: the encoded request.
    """
    size, media = len(body), 0
    if size > _SMALL_BODY:
        for kind, data in _media(request):
            size -= len(data) * 4 // 3
            media += MEDIA_TOKENS.get(kind, min(len(data) // BYTES_PER_TOKEN, MAX_DOCUMENT_TOKENS))
    return max(size, 0) // BYTES_PER_TOKEN + media


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
