"""`response_format` of a Chat Completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lambdas.streaming_api.json_fields import optional_text, read_choice, read_object, read_text, required
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.structured_output import AnswerSchema

_TYPES = ("text", "json_schema", "json_object")


def read_response_format(body: Mapping[str, Any]) -> Literal["text", "json_object"] | AnswerSchema:
    """Return the format of the answer: text, a JSON object, or JSON for a schema.

    Raises:
        MappingError: the format is invalid.
    """
    if body.get("response_format") is None:
        return "text"
    given = read_object(body["response_format"], "response_format")
    type_ = read_choice(given.get("type"), "response_format.type", _TYPES)
    if type_ != "json_schema":
        return "text" if type_ == "text" else "json_object"
    path = "response_format.json_schema"
    fields = read_object(required(given, "json_schema", path), path)
    schema = read_object(required(fields, "schema", f"{path}.schema"), f"{path}.schema")
    if schema.get("type", "object") != "object":
        raise MappingError(f"{path}.schema.type", 'must be "object"')
    return AnswerSchema(
        name=read_text(required(fields, "name", f"{path}.name"), f"{path}.name"),
        description=optional_text(fields.get("description"), f"{path}.description"),
        schema=schema,
        path=f"{path}.schema",
    )
