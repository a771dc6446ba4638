"""GET /models and GET /models/{model}: the models that a key may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from lambdas.shared.settings import model_aliases
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.api_request import ApiRequest, uses_anthropic_format
from lambdas.streaming_api.model_call import find_targets, resolve_name
from lambdas.streaming_api.response_headers import json_headers
from llmmanager import ConfigurationError
from llmmanager.json_format.json_text import dump

# The time from which on a model is available is not known. The field is required.
_CREATED = 0


def list_models(request: ApiRequest) -> StreamedResponse:
    """Return the models, and the aliases of models, that the key may use.

    Raises:
        KeyNotAllowed: the key has expired, or allows no configured model.
    """
    names = _names(request)
    if uses_anthropic_format(request.http):
        return _response(request, _anthropic_page(request, names))
    return _response(request, {"object": "list", "data": [_openai_model(name) for name in names]})


def get_model(request: ApiRequest) -> StreamedResponse:
    """Return one model by its display name, id or alias.

    Raises:
        KeyNotAllowed: the model does not exist, or the key does not allow it.
    """
    name = unquote(request.http.path_parameters["model"])
    find_targets(request, [name])
    if uses_anthropic_format(request.http):
        return _response(request, _anthropic_model(name))
    return _response(request, _openai_model(name))


def _names(request: ApiRequest) -> list[str]:
    allowed = find_targets(request, None).models
    ids = {resolve_name(name).model_id for name in allowed}
    aliases = [alias for alias in model_aliases() if _model_id(alias) in ids]
    return [*allowed, *aliases]


def _model_id(name: str) -> str | None:
    try:
        return resolve_name(name).model_id
    except ConfigurationError:
        return None


def _openai_model(name: str) -> dict[str, Any]:
    provider = resolve_name(name).model_id.partition(".")[0]
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": provider}


def _anthropic_model(name: str) -> dict[str, Any]:
    from lambdas.streaming_api.messages.models import model_document

    return model_document(name, resolve_name(name).model_id)


def _anthropic_page(request: ApiRequest, names: Sequence[str]) -> dict[str, Any]:
    from lambdas.streaming_api.messages.models import models_page

    parameters = {name: request.http.query(name) for name in ("limit", "after_id", "before_id")}
    return models_page([_anthropic_model(name) for name in names], **parameters)


def _response(request: ApiRequest, document: dict[str, Any]) -> StreamedResponse:
    return StreamedResponse(200, json_headers(request.id), [dump(document)])
