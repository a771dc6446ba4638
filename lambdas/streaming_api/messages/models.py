"""Models in the form of Anthropic's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.streaming_api.mapping_error import MappingError
from llmmanager.bedrock.catalog.model_table import model_data

_MAX_LIMIT = 1000
_DEFAULT_LIMIT = 20
# Anthropic's value for an unknown date.
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"
_LIFECYCLES = {"ACTIVE": "active", "LEGACY": "deprecated", "EOL": "retired"}


def model_document(id_: str, model_id: str) -> dict[str, Any]:
    """Return the document of a model.

    Args:
        id_: the name that requests use.
        model_id: the id in Bedrock.
    """
    data = model_data(model_id)
    document: dict[str, Any] = {"type": "model", "id": id_, "display_name": id_, "created_at": _UNKNOWN_DATE}
    if data is None:
        return document | {"lifecycle": "active", "max_input_tokens": None, "max_tokens": None}
    return document | {
        "display_name": data.model_name,
        "lifecycle": _LIFECYCLES.get(data.lifecycle, "active"),
        "max_input_tokens": data.max_context_tokens,
        "max_tokens": data.max_output_tokens,
    }


def models_page(
    documents: Sequence[Mapping[str, Any]],
    *,
    limit: str | None = None,
    after_id: str | None = None,
    before_id: str | None = None,
) -> dict[str, Any]:
    """Return one page of a list of models.

    Args:
        documents: the documents of all models, in order.
        limit, after_id, before_id: query parameters, or None.

    Raises:
        MappingError: a parameter is invalid.
    """
    ids = [document["id"] for document in documents]
    start = _position(ids, after_id, "after_id") + 1 if after_id else 0
    end = _position(ids, before_id, "before_id") if before_id else len(ids)
    rest, size = list(documents[start:end]), _limit(limit)
    # A page before an id has the models next to it.
    page = rest[-size:] if before_id and not after_id else rest[:size]
    return {
        "data": page,
        "has_more": len(page) < len(rest),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _position(ids: Sequence[str], id_: str, name: str) -> int:
    if id_ not in ids:
        raise MappingError(name, "must be the id of a model in the list")
    return ids.index(id_)


def _limit(given: str | None) -> int:
    if given is None:
        return _DEFAULT_LIMIT
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= _MAX_LIMIT):
        raise MappingError("limit", f"must be an integer from 1 to {_MAX_LIMIT}")
    return int(given)
