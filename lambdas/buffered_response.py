"""Send the response of a streaming handler as a whole, for functions on the standard runtime."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from lambdas.streamed_response import Handler, StreamedResponse, close_body

MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024
"""Lambda's limit for a response that is not streamed, as JSON."""

_TOO_LARGE: Final = (
    "The response is larger than 6 MB, the limit of a response that is not streamed. Request a shorter "
    "answer, or deploy with the setting `streaming`."
)


def buffered(handler: Handler) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a handler for the standard runtime that returns the handler's response as a whole.

    The result has the format of API Gateway's Lambda proxy integration. A response above Lambda's limit
    becomes an error with status 500. An error that the handler or its body raises is raised.
    """

    @wraps(handler)
    def buffered_handler(event: Any, context: Any) -> dict[str, Any]:
        response = handler(event, context)
        body = _join(response)
        if body is not None:
            result = _proxy_result(response, body)
            if len(json.dumps(result, ensure_ascii=False).encode()) <= MAX_RESPONSE_BYTES:
                return result
        return _too_large()

    return buffered_handler


def _join(response: StreamedResponse) -> bytes | None:
    """Return the whole body, or None if it is too large."""
    pieces, size = [], 0
    try:
        for piece in response.body:
            size += len(piece)
            if size > MAX_RESPONSE_BYTES:
                return None
            pieces.append(piece)
    finally:
        close_body(response.body)
    return b"".join(pieces)


def _proxy_result(response: StreamedResponse, body: bytes) -> dict[str, Any]:
    try:
        text, is_base64 = body.decode("utf-8"), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode("ascii"), True
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "multiValueHeaders": {"Set-Cookie": list(response.cookies)} if response.cookies else {},
        "body": text,
        "isBase64Encoded": is_base64,
    }


def _too_large() -> dict[str, Any]:
    # Clients of OpenAI's and of Anthropic's API both read the message from error.message.
    error = {"type": "error", "error": {"type": "api_error", "message": _TOO_LARGE}}
    response = StreamedResponse(500, {"Content-Type": "application/json"}, [])
    return _proxy_result(response, json.dumps(error).encode())
