"""Write a request as JSON, with bytes as base64, without holding large bytes more than twice."""

from __future__ import annotations

import base64
import json
import os
from decimal import Decimal

# Stands where base64 goes until the JSON is written. No caller can know it, so no text of a request holds it.
_PLACEHOLDER = os.urandom(16).hex()

Buffer = bytes | bytearray | memoryview


def json_body(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8.

    Bytes become base64 text and decimals numbers. The base64 is written into the finished text: what
    `json` allocates for a long string differs between releases of Python, up to three copies of it.

    Raises:
        TypeError, ValueError, RecursionError: the value holds what JSON cannot represent.
    """
    buffers: list[Buffer] = []

    def as_json(value: object) -> object:
        if isinstance(value, bytes | bytearray | memoryview):
            buffers.append(value)
            return _PLACEHOLDER
        if isinstance(value, Decimal):  # what DynamoDB and strict JSON readers give for a number
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
