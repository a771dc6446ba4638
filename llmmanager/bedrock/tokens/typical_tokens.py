"""The typical number of tokens of a part of a request: one for four bytes of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.invocation.quota_cost import BYTES_PER_TOKEN, MAX_DOCUMENT_TOKENS, MEDIA_TOKENS

# Their members are not content of the prompt.
_NOT_CONTENT = ("cachePoint", "s3Location")


def typical_tokens(value: Any) -> float:
    """Return the typical number of tokens of a block, or of a list of blocks, as used in cost estimates."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode("utf-8", "replace"))) / BYTES_PER_TOKEN
    if isinstance(value, Mapping):
        return sum(_member_tokens(kind, member) for kind, member in value.items())
    if isinstance(value, list | tuple):
        return sum(map(typical_tokens, value))
    if isinstance(value, bytes | bytearray | memoryview):
        return min(len(value) / BYTES_PER_TOKEN, MAX_DOCUMENT_TOKENS)
    return 0.5


def _member_tokens(name: str, value: Any) -> float:
    if name in _NOT_CONTENT:
        return 0.0
    if name in MEDIA_TOKENS and isinstance(value, Mapping) and "source" in value:
        return MEDIA_TOKENS[name]
    return (len(name) + 4) / BYTES_PER_TOKEN + typical_tokens(value)
