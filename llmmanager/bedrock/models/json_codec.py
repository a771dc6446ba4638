"""Converse requests and responses as JSON: bytes travel as base64, as in Bedrock's own wire format."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

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


def decode_bytes(value: Any, path: str = "") -> Any:
    """The reverse of `encode_bytes` for a Converse request or response (or any part of one).

    Only where the API has bytes (`source.bytes`, `redactedContent`) is text decoded; free JSON such as
    a tool's input is left alone.

    Raises:
        ValueError: text in such a place is not base64; the message names the path.
    """
    if isinstance(value, list):
        return [decode_bytes(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    decoded: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key in _OPAQUE:
            decoded[key] = item
        elif key in _BLOBS and isinstance(item, str):
            decoded[key] = _from_base64(item, where)
        else:
            decoded[key] = decode_bytes(item, where)
    return decoded


def _from_base64(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{path}: must be base64 text") from None
