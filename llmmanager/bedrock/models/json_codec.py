"""Converse requests and responses as JSON, with bytes as base64 text as in Bedrock's wire format."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, Literal

# Fields with arbitrary JSON. A member called "bytes" in them is not Bedrock's and is not decoded.
_FREE_JSON = frozenset({"toolUse", "json", "additionalModelRequestFields", "additionalModelResponseFields"})
_BLOBS = frozenset({"bytes", "redactedContent"})


def encode_bytes(value: Any) -> Any:
    """Return a copy of `value` for `json.dumps`, with bytes as base64 text and tuples as lists."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {key: encode_bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_bytes(item) for item in value]
    return value


def json_safe(value: Any) -> Any:
    """Return a copy of any value as strict JSON. Values that JSON does not support become their repr."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _repr(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return encode_bytes(value)
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _repr(value)


def decode_bytes(value: Any, path: str = "", *, other_text: Literal["reject", "keep"] = "reject") -> Any:
    """Return the reverse of `encode_bytes` for a Converse request or response, or a part of one.

    Only fields that are bytes in the API (`source.bytes`, `redactedContent`) are decoded. Arbitrary JSON,
    such as a tool's input, is not changed.

    Args:
        value: the JSON value.
        path: the path of `value` in the request, for error messages.
        other_text: "reject" or "keep" text that is not base64 in a field for bytes.

    Raises:
        ValueError: a field for bytes contains other text, and `other_text` is "reject".
    """
    if isinstance(value, list):
        return [
            decode_bytes(item, f"{path}[{index}]", other_text=other_text) for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    decoded: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key in _FREE_JSON:
            decoded[key] = item
        elif key in _BLOBS and isinstance(item, str):
            decoded[key] = _from_base64(item, where, other_text)
        else:
            decoded[key] = decode_bytes(item, where, other_text=other_text)
    return decoded


def _from_base64(text: str, path: str, other_text: str) -> bytes | str:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        if other_text == "keep":
            return text
        raise ValueError(f"{path}: must be base64 text") from None


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # the repr of a caller's class can raise anything
        return f"<{type(value).__name__}>"
