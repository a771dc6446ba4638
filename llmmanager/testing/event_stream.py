"""Encodes frames of `application/vnd.amazon.eventstream`, the response format of ConverseStream."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_EXCEPTIONS = frozenset(
    (
        "internalServerException",
        "modelStreamErrorException",
        "serviceUnavailableException",
        "throttlingException",
        "validationException",
    )
)


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message: prelude with its CRC, headers, payload, and the CRC of the message."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(data)) + data
        for name, data in ((name, value.encode()) for name, value in headers.items())
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return body + struct.pack("!I", crc32(body))


def event(kind: str, payload: Mapping[str, Any]) -> bytes:
    """Return the frame of an event such as `contentBlockDelta`."""
    return frame(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, _json(payload)
    )


def garbled(kind: str) -> bytes:
    """Return the frame of an event with a truncated payload, which is invalid JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, b'{"contentBlockIndex":0,"delta":{"te')


def exception(code: str, payload: Mapping[str, Any]) -> bytes:
    """Return the frame of an error inside the stream.

    The exceptions of ConverseStream's model are sent in lower camel case. Other codes are sent as an error.
    """
    name = code[:1].lower() + code[1:]
    if name not in _EXCEPTIONS:
        headers = {":error-code": code, ":error-message": payload["message"], ":message-type": "error"}
        return frame(headers, b"")
    return frame(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"},
        _json(payload),
    )


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()
