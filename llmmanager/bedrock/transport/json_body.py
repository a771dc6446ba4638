"""Encodes a request as JSON, with bytes as base64 and at most two copies of large bytes in memory."""

from __future__ import annotations

import base64
import json
import os
from decimal import Decimal

# Placeholder for base64 in the JSON. It is random, so that no text of a request contains it.
_PLACEHOLDER = os.urandom(16).hex()

Buffer = bytes | bytearray | memoryview


def json_body(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8.

    Bytes become base64 text, and decimals become numbers. The base64 is inserted into the finished text:
    depending on the Python version, `json` allocates up to three copies of a long string.

    Raises:
        TypeError, ValueError, RecursionError: the value is not JSON.
    """
    buffers: list[Buffer] = []

    def as_json(value: object) -> object:
        if isinstance(value, bytes | bytearray | memoryview):
            buffers.append(value)
            return _PLACEHOLDER
        if isinstance(value, Decimal):  # numbers read from DynamoDB or by a strict JSON reader
            return int(value) if value == value.to_integral_value() else float(value)
        raise TypeError(f"{type(value).__name__} is not JSON")

    text = json.dumps(value, default=as_json, allow_nan=False, separators=(",", ":")).encode()
    if not buffers:
        return text
    first, *others = text.split(_PLACEHOLDER.encode())
    pieces = [first]
    for buffer, piece in zip(buffers, others, strict=True):
        pieces += [base64.b64encode(buffer), piece]
    return b"".join(pieces)
