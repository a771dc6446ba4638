"""One call on the wire through botocore: our JSON body, the caller's time limit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.exceptions.safe_errors import without_credentials
from llmmanager.bedrock.invocation.json_body import json_body
from llmmanager.bedrock.models.answer_content import without_blank_text

_OPERATIONS = ("Converse", "ConverseStream")
_ATTACHED = "_llmmanager_wire"
# What json raises for a value that it cannot write.
_NO_JSON = (TypeError, ValueError, RecursionError)


class _Pending(threading.local):
    """What the event handler of the thread's current call is to send."""

    body: bytes = b"{}"
    read_timeout: float = 60.0


_pending = _Pending()


def encode(request: Mapping[str, Any]) -> bytes:
    """The request as Bedrock's JSON: bytes as base64, every other field as it stands.

    botocore's serialiser knows the fields of its own release only; encoding here lets through what AWS
    adds next, and spares walking the request a second time.

    Raises:
        RequestValidationError: a field holds what JSON cannot, where validation does not look.
    """
    try:
        return json_body(request)
    except _NO_JSON as error:
        problems = list(_problems(request))
        raise RequestValidationError(f"the request is invalid: {'; '.join(problems)}", problems) from error


def converse(client: Any, invoke_id: str, body: bytes, read_timeout: float) -> dict[str, Any]:
    """Call Converse and return its response without botocore's metadata and blank text blocks.

    Args:
        body: from `encode`.
        read_timeout: longest silence in seconds.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: as botocore raises them.
    """
    response = _called(client, client.converse, invoke_id, body, read_timeout)
    response.pop("ResponseMetadata", None)
    if not response.get("output"):
        raise _no_answer()
    message = response["output"].get("message")
    if message and message.get("content"):
        message["content"] = without_blank_text(message["content"])
    return response


def converse_stream(client: Any, invoke_id: str, body: bytes, read_timeout: float) -> Any:
    """Call ConverseStream and return its event stream; arguments and errors as in `converse`."""
    return _called(client, client.converse_stream, invoke_id, body, read_timeout)["stream"]


def _called(client: Any, operation: Any, invoke_id: str, body: bytes, read_timeout: float) -> dict[str, Any]:
    _attach(client)
    _pending.body, _pending.read_timeout = body, read_timeout
    try:
        response: dict[str, Any] = operation(modelId=invoke_id)
    except Exception as error:
        shown = without_credentials(error)
        if shown is error:
            raise
        raise shown from None
    finally:
        _pending.body = b"{}"
    return response


def _no_answer() -> Exception:
    """botocore takes a body that was cut off, or a proxy's page, for a response with nothing in it."""
    from botocore.exceptions import ResponseStreamingError

    error: Exception = ResponseStreamingError(error="what came is not an answer, or not a whole one")
    return error


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    for field, value in request.items():
        try:
            json_body(value)
        except _NO_JSON as error:
            yield f"{field}: must be plain data ({error})"


def _attach(client: Any) -> None:
    """Register the handler once a client; twice by a race is harmless."""
    if not getattr(client, _ATTACHED, False):
        for operation in _OPERATIONS:
            client.meta.events.register(
                f"before-call.bedrock-runtime.{operation}", _fill_in, unique_id=f"{_ATTACHED}-{operation}"
            )
        setattr(client, _ATTACHED, True)


def _fill_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = _pending.body
    context["read_timeout"] = _pending.read_timeout
