"""The typical number of tokens of a request or a part of it: one for four bytes of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.invocation.quota_cost import BYTES_PER_TOKEN, MAX_DOCUMENT_TOKENS, MEDIA_TOKENS

# Their members are not content of the prompt.
_NOT_CONTENT = ("cachePoint", "s3Location")
# Quotation marks, colon and comma.
_AROUND_NAME = 4


def request_tokens(request: Mapping[str, Any]) -> float:
    """Return the typical number of input tokens of a Converse request."""
    output = (request.get("outputConfig") or {}).get("textFormat")
    parts = (request.get("toolConfig"), request.get("system"), request.get("messages"), output)
    return sum(typical_tokens(part) for part in parts if part is not None)


def typical_tokens(value: Any) -> float:
    """Return the typical number of tokens of a block, or of a list of blocks."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode("utf-8", "replace"))) / BYTES_PER_TOKEN
    if isinstance(value, Mapping):
        return sum(_member_tokens(name, member) for name, member in value.items())
    if isinstance(value, list | tuple):
        return sum(map(typical_tokens, value))
    if isinstance(value, bytes | bytearray | memoryview):
        return min(len(value) / BYTES_PER_TOKEN, MAX_DOCUMENT_TOKENS)
    return 0.5


def _member_tokens(name: str, value: Any) -> float:
    if name in _NOT_CONTENT:
        return 0.0
    source = value.get("source") if isinstance(value, Mapping) else None
    if name in MEDIA_TOKENS and isinstance(source, Mapping):
        return MEDIA_TOKENS[name]
    return (len(name) + _AROUND_NAME) / BYTES_PER_TOKEN + typical_tokens(value)
