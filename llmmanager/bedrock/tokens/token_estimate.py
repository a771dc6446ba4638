"""An upper estimate of the input tokens of a request, for models and regions without CountTokens."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmmanager.bedrock.invocation.quota_cost import MAX_DOCUMENT_TOKENS, MEDIA_TOKENS
from llmmanager.bedrock.tokens.media_tokens import document_tokens, image_tokens
from llmmanager.bedrock.tokens.text_tokens import text_tokens

# Tokens around the content: of a request, a message, a block with tools or files, the instructions for tools,
# and those for an answer in JSON.
_REQUEST = 40
_MESSAGE = 10
_BLOCK = 20
_TOOLS = 600
_SCHEMA = 300
# Characters of a signature or encrypted reasoning for each token of the reasoning, at least.
_CHARACTERS_OF_REASONING = 4


def estimate_tokens(request: Mapping[str, Any]) -> int:
    """Return an upper estimate of the tokens of a valid Converse request, without those of the answer.

    The size of files in S3 and the duration of video and audio are unknown: they have typical numbers.
    """
    total: float = _REQUEST
    for message in request.get("messages", ()):
        total += _MESSAGE + _sum(message["content"])
    total += _sum(request.get("system", ()))
    tools = request.get("toolConfig", {}).get("tools", ())
    if tools:
        total += _TOOLS + sum(_BLOCK + _json_tokens(tool) for tool in tools)
    return math.ceil(total) + schema_tokens(request)


def schema_tokens(request: Mapping[str, Any]) -> int:
    """Return an upper estimate of the tokens of the schema in `outputConfig`, which CountTokens ignores."""
    text_format = request.get("outputConfig", {}).get("textFormat")
    return math.ceil(_SCHEMA + _json_tokens(text_format)) if text_format else 0


def _sum(blocks: Sequence[Mapping[str, Any]]) -> float:
    return sum(tokens for block in blocks for tokens in _block_tokens(block))


def _block_tokens(block: Mapping[str, Any]) -> Iterator[float]:
    for kind, value in block.items():
        match kind:
            case "text":
                yield text_tokens(value)
            case "image":
                yield _BLOCK + image_tokens(_bytes(value))
            case "video" | "audio":
                yield _BLOCK + MEDIA_TOKENS[kind]
            case "document":
                yield _BLOCK + _document_tokens(value)
            case "toolResult":
                yield _BLOCK + text_tokens(value["toolUseId"]) + _sum(value["content"])
            case "reasoningContent":
                yield _BLOCK + _reasoning_tokens(value)
            case "guardContent":
                yield from _block_tokens(value if "image" in value else value["text"])
            case "citationsContent":
                yield _BLOCK + _sum(value.get("content", ()))
            case "toolUse" | "searchResult" | "json" | "toolAddition" | "toolRemoval":
                yield _BLOCK + _json_tokens(value)


def _document_tokens(document: Mapping[str, Any]) -> float:
    source = document["source"]
    around = text_tokens(document["name"] + document.get("context", ""))
    if "s3Location" in source:
        return around + MAX_DOCUMENT_TOKENS
    if "bytes" in source:
        return around + document_tokens(bytes(source["bytes"]), document.get("format", "txt"))
    return around + sum(_BLOCK + text_tokens(item["text"]) for item in source.get("content", [source]))


def _reasoning_tokens(reasoning: Mapping[str, Any]) -> float:
    """Return the tokens of reasoning. Its text may be a summary, and its signature has all of it."""
    if "redactedContent" in reasoning:
        return len(reasoning["redactedContent"]) / _CHARACTERS_OF_REASONING
    text = reasoning["reasoningText"]
    return max(text_tokens(text["text"]), len(text.get("signature", "")) / _CHARACTERS_OF_REASONING)


def _bytes(block: Mapping[str, Any]) -> bytes:
    """Return the content of a file; nothing for a file in S3."""
    return bytes(block["source"].get("bytes", b""))


def _json_tokens(value: Any) -> float:
    return text_tokens(json.dumps(value, ensure_ascii=False, default=str))
