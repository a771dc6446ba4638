"""Calls Converse, ConverseStream and CountTokens through botocore, with an encoded body."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.exceptions.safe_errors import without_credentials
from llmmanager.bedrock.models.answer_content import without_blank_text
from llmmanager.bedrock.models.deadline import NEVER, Cancellation, Deadline
from llmmanager.bedrock.transport.json_body import json_body

_OPERATIONS = ("Converse", "ConverseStream", "CountTokens")
_ATTACHED = "_llmmanager_converse_api"
# Errors of the JSON encoder for a value that is not JSON.
_JSON_ERRORS = (TypeError, ValueError, RecursionError)


class _Pending(threading.local):
    """The thread's current call: body and read timeout for the event handler, and what ends it early."""

    body: bytes = b"{}"
    read_timeout: float = 60.0
    cancellation: Cancellation | None = None
    deadline: Deadline = NEVER


_pending = _Pending()


def current_cancellation() -> Cancellation | None:
    """Return what interrupts the thread's current call, or None."""
    return _pending.cancellation


def current_deadline() -> Deadline:
    """Return the deadline of the thread's current call."""
    return _pending.deadline


def encode(request: Mapping[str, Any]) -> bytes:
    """Return the request as JSON, with bytes as base64.

    botocore's serializer drops fields that its release does not know, and would process the whole request
    again.

    Raises:
        RequestValidationError: a field that is not validated contains a value that is not JSON.
    """
    try:
        return json_body(request)
    except _JSON_ERRORS as error:
        problems = list(_problems(request))
        raise RequestValidationError(f"the request is invalid: {'; '.join(problems)}", problems) from error


def converse(
    client: Any,
    invoke_id: str,
    body: bytes,
    read_timeout: float,
    *,
    cancelled: threading.Event | None = None,
    deadline: Deadline = NEVER,
) -> dict[str, Any]:
    """Call Converse and return its response without botocore's metadata and blank text blocks.

    Args:
        invoke_id: the id of a model or inference profile.
        body: the result of `encode`.
        read_timeout: maximum wait for data in seconds.
        cancelled: a `Cancellation`, which can close the connection; other events have no effect.
        deadline: when the response ends, even if data still arrive.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: the call failed.
    """
    _pending.body, _pending.read_timeout = body, read_timeout
    response = _call(client, client.converse, invoke_id, cancelled, deadline)
    response.pop("ResponseMetadata", None)
    if not response.get("output"):
        raise _incomplete_response()
    message = response["output"].get("message")
    if message and message.get("content"):
        message["content"] = without_blank_text(message["content"])
    return response


def converse_stream(
    client: Any,
    invoke_id: str,
    body: bytes,
    read_timeout: float,
    *,
    cancelled: threading.Event | None = None,
    deadline: Deadline = NEVER,
) -> Any:
    """Call ConverseStream and return its event stream. Arguments and errors are those of `converse`."""
    _pending.body, _pending.read_timeout = body, read_timeout
    return _call(client, client.converse_stream, invoke_id, cancelled, deadline)["stream"]


def count_tokens(client: Any, model_id: str, body: bytes, *, cancelled: threading.Event | None = None) -> int:
    """Call CountTokens for a Converse request and return the number of input tokens.

    Args:
        model_id: the id of a model.
        body: the result of `encode` for messages, system prompt and tools.
        cancelled: as in `converse`.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: the call failed.
    """
    _pending.body = b'{"input":{"converse":' + body + b"}}"
    _pending.read_timeout = client.meta.config.read_timeout
    operation = partial(client.count_tokens, input={"converse": {}})
    return int(_call(client, operation, model_id, cancelled)["inputTokens"])


def _call(
    client: Any,
    operation: Any,
    invoke_id: str,
    cancelled: threading.Event | None = None,
    deadline: Deadline = NEVER,
) -> dict[str, Any]:
    """Call the operation with the thread's pending body and read timeout."""
    _attach(client)
    _pending.cancellation = cancelled if isinstance(cancelled, Cancellation) else None
    _pending.deadline = deadline
    try:
        response: dict[str, Any] = operation(modelId=invoke_id)
    except Exception as error:
        shown = without_credentials(error)
        if shown is error:
            raise
        raise shown from None
    finally:
        _pending.body, _pending.cancellation, _pending.deadline = b"{}", None, NEVER
    return response


def _incomplete_response() -> Exception:
    """Return the error for a response without output: a truncated body, or the page of a proxy."""
    from botocore.exceptions import ResponseStreamingError

    error: Exception = ResponseStreamingError(error="the response is incomplete or is not from Bedrock")
    return error


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    for field, value in request.items():
        try:
            json_body(value)
        except _JSON_ERRORS as error:
            yield f"{field}: must be plain data ({error})"


def _attach(client: Any) -> None:
    """Register the handler once per client. Registering it twice in a race has no effect."""
    if not getattr(client, _ATTACHED, False):
        for operation in _OPERATIONS:
            client.meta.events.register(
                f"before-call.bedrock-runtime.{operation}", _fill_in, unique_id=f"{_ATTACHED}-{operation}"
            )
        setattr(client, _ATTACHED, True)


def _fill_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = _pending.body
    context["read_timeout"] = _pending.read_timeout
