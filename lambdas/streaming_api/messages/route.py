"""POST /messages and POST /messages/count_tokens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from lambdas.shared.server_sent_events import event
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.answer_route import respond
from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.client_api import ClientApi
from lambdas.streaming_api.messages.answer import message
from lambdas.streaming_api.messages.request import MessagesRequest, read_messages_request
from lambdas.streaming_api.messages.stream import message_events
from lambdas.streaming_api.response_headers import json_headers
from llmmanager import BedrockResponse, StreamingResponse
from llmmanager.json_format.json_text import dump

_BETA_HEADER = "anthropic-beta"


def post(request: ApiRequest) -> StreamedResponse:
    """Return a message.

    Raises:
        The exceptions of `answer_route.respond`.
    """
    api = ClientApi(
        name="messages",
        id_prefix="msg_",
        max_tokens_fields=("max_tokens",),
        read=partial(read_messages_request, betas=_betas(request)),
        answer=_answer,
        stream=partial(_stream, request_id=request.id),
        error_event=partial(_error_event, request_id=request.id),
    )
    return respond(request, api)


def count_tokens(request: ApiRequest) -> StreamedResponse:
    """Return the number of input tokens of a request.

    Raises:
        RequestFailed: the request is invalid. The error names the client's fields.
        MappingError, InvalidRequest, KeyNotAllowed: the request is invalid or not allowed.
    """
    # Imported here, because most requests are messages.
    from lambdas.shared.manager import model_ids
    from lambdas.streaming_api.api_error import RequestFailed, api_error
    from lambdas.streaming_api.messages.count_tokens import count_headers, count_request
    from lambdas.streaming_api.messages.request import read_count_tokens
    from lambdas.streaming_api.model_call import find_targets
    from lambdas.streaming_api.requested_models import requested_models
    from llmmanager import RequestValidationError

    body = request.http.body()
    targets = find_targets(request, requested_models(body))
    ids = model_ids(targets)
    mapped = read_count_tokens(body, model_ids=ids, betas=_betas(request))
    try:
        count = count_request(_token_counter(), mapped, model_id=ids[0], regions=targets.regions)
    except RequestValidationError as error:
        raise RequestFailed(api_error(error, reference=request.id, origins=mapped.origins)) from error
    headers = {**json_headers(request.id), **count_headers(count)}
    return StreamedResponse(200, headers, [dump({"input_tokens": count.input_tokens})])


@cache
def _token_counter() -> Any:
    from lambdas.streaming_api.messages.count_tokens import new_counter

    return new_counter()


def _betas(request: ApiRequest) -> list[str]:
    header = request.http.header(_BETA_HEADER) or ""
    return [name.strip() for name in header.split(",") if name.strip()]


def _answer(request: MessagesRequest, response: BedrockResponse, *, id_: str, created: int) -> dict[str, Any]:
    del created  # Messages have no time.
    return message(request, response, id_=id_)


def _stream(
    request: MessagesRequest, stream: StreamingResponse, *, id_: str, created: int, request_id: str
) -> Iterator[bytes]:
    del created
    for name, data in message_events(request, stream, id_=id_, request_id=request_id):
        yield event(data, name=name)


def _error_event(error: ApiError, *, request_id: str) -> bytes:
    return event(error.anthropic_document(request_id), name="error")
