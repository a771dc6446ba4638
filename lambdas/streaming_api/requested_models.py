"""The models that a request names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.json_fields import optional_list, read_text, required
from lambdas.streaming_api.mapping_error import MappingError


def requested_models(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the models of a request, preferred first.

    `model` is one name, or several separated by commas for clients with no other field. The extension
    `models` lists models to fail over to.

    Raises:
        MappingError: a name is missing or invalid.
    """
    names = [name.strip() for name in read_text(required(body, "model", "model"), "model").split(",")]
    if not all(names):
        raise MappingError("model", "must be the name or id of a model")
    others = optional_list(body.get("models"), "models")
    for index, name in enumerate(others):
        if not read_text(name, f"models[{index}]").strip():
            raise MappingError(f"models[{index}]", "must be the name or id of a model")
    return tuple(dict.fromkeys([*names, *(name.strip() for name in others)]))
