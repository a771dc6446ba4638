"""Converse requests and responses as JSON: bytes travel as base64, as in Bedrock's own wire format."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, Literal

# Free JSON documents: what looks like bytes in there is the caller's own and stays as it is.
_OPAQUE = frozenset({"toolUse", "json", "additionalModelRequestFields", "additionalModelResponseFields"})
_BLOBS = frozenset({"bytes", "redactedContent"})


def encode_bytes(value: Any) -> Any:
    """A copy of `value` that `json.dumps` takes: bytes as base64 text, tuples as lists."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {key: encode_bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_bytes(item) for item in value]
    return value


def json_safe(value: Any) -> Any:
    """Return a copy of any value that strict JSON can hold; what it cannot hold becomes its repr."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _repr(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return encode_bytes(value)
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _repr(value)


def decode_bytes(value: Any, path: str = "", *, other_text: Literal["refuse", "keep"] = "refuse") -> Any:
    """Return the reverse of `encode_bytes` for a Converse request or response (or any part of one).

    Only where the API has bytes (`source.bytes`, `redactedContent`) is text decoded; free JSON such as
    a tool's input is left alone.

    Args:
        path: where `value` stands, for the error's message.
        other_text: what happens to text in such a place that is not base64.

    Raises:
        ValueError: there is such text and it is refused; the message names the path.
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
        if key in _OPAQUE:
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
    except Exception:  # a class of the caller whose repr fails
        return f"<{type(value).__name__}>"
