"""Answer a request of any client API, complete or streamed, once for each Idempotency-Key."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from lambdas.shared.http_request import IDEMPOTENCY_HEADER
from lambdas.streamed_response import StreamBody, StreamedResponse
from lambdas.streaming_api.api_error import RequestFailed, api_error, invalid_answer
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.client_api import ClientApi, R
from lambdas.streaming_api.model_call import ModelCall, read_call
from lambdas.streaming_api.response_headers import answer_headers, json_headers
from lambdas.streaming_api.streamed_answer import StreamedAnswer
from llmmanager.json_format.json_text import dump


def respond(request: ApiRequest, api: ClientApi[R]) -> StreamedResponse:
    """Return the answer to a request.

    Raises:
        RequestFailed: no model answered, or no answer was valid. The error names the client's fields.
        MappingError, InvalidRequest, KeyNotAllowed, Problem: the request was not sent.
    """
    body = request.http.body()
    call = read_call(request, body, api)
    key = request.http.idempotency_key()
    try:
        if key is not None:
            return _respond_once(key, body, call, api)
        if call.mapped.stream:
            opened = _open(call, api)
            return StreamedResponse(200, opened.headers, StreamBody(opened.pieces(), opened.close))
        return _complete_response(*_complete(call, api))
    except Exception as error:
        found = api_error(error, reference=request.id, origins=call.mapped.origins)
        raise RequestFailed(found) from error


def _respond_once(
    key: str, body: Mapping[str, Any], call: ModelCall[R], api: ClientApi[R]
) -> StreamedResponse:
    # Imported here, because most requests have no key.
    from lambdas.shared.idempotency import IdempotencyError, idempotency_problem, run_once
    from lambdas.shared.idempotent_stream import REPLAY, stream_once

    request = call.request
    full_key = ("streaming", api.name, request.identity.key_id, key)
    context = request.http.context
    try:
        if call.mapped.stream:
            return stream_once(full_key, body, lambda: _open(call, api), context=context)
        result = run_once(full_key, body, lambda: _complete(call, api), context=context)
    except IdempotencyError as error:
        raise idempotency_problem(error, name=IDEMPOTENCY_HEADER) from None
    document, headers = result.answer
    return _complete_response(document, {**headers, **(REPLAY if result.replayed else {})})


def _open(call: ModelCall[R], api: ClientApi[R]) -> StreamedAnswer[R]:
    return StreamedAnswer(api, call, call.open_stream(), _new_id(api), int(time.time()))


def _complete(call: ModelCall[R], api: ClientApi[R]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the document of the answer and the headers."""
    response = call.complete()
    headers = {**json_headers(call.request.id), **answer_headers(call.mapped, response)}
    if not response.success:
        reasons = [str(error["error_message"]) for error in response.get_validation_errors()]
        error = invalid_answer(" ".join(dict.fromkeys(reasons)))
        raise RequestFailed(error)
    document = api.answer(call.mapped, response, id_=_new_id(api), created=int(time.time()))
    return document, headers


def _complete_response(document: Mapping[str, Any], headers: Mapping[str, str]) -> StreamedResponse:
    return StreamedResponse(200, headers, [dump(document)])


def _new_id(api: ClientApi[Any]) -> str:
    return f"{api.id_prefix}{uuid.uuid4().hex}"
