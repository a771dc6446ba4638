"""The JSON schema of an answer, as OpenAI's APIs send it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.json_fields import optional_text, read_object, read_text, required
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.structured_output import AnswerSchema

FORMATS = ("text", "json_schema", "json_object")
"""The types of formats."""


def read_answer_schema(fields: Mapping[str, Any], path: str) -> AnswerSchema:
    """Return the schema in the fields `name`, `schema` and `description`.

    Args:
        path: the path of the object with these fields.

    Raises:
        MappingError: a field is invalid, or the answer would not be an object.
    """
    schema = read_object(required(fields, "schema", f"{path}.schema"), f"{path}.schema")
    if schema.get("type", "object") != "object":
        raise MappingError(f"{path}.schema.type", 'must be "object"')
    return AnswerSchema(
        name=read_text(required(fields, "name", f"{path}.name"), f"{path}.name"),
        description=optional_text(fields.get("description"), f"{path}.description"),
        schema=schema,
        path=f"{path}.schema",
    )
