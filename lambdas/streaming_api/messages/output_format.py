"""The format of the answer: text, or JSON for a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lambdas.streaming_api.json_fields import optional_object, read_choice, read_object, required
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.structured_output import AnswerSchema


def read_output_format(body: Mapping[str, Any]) -> Literal["text"] | AnswerSchema:
    """Return the format in `output_config.format`, or in its former name `output_format`.

    Raises:
        MappingError: the format is invalid, or the answer would not be an object.
    """
    given, path = (
        optional_object(body.get("output_config"), "output_config").get("format"),
        "output_config.format",
    )
    if given is None:
        given, path = body.get("output_format"), "output_format"
    if given is None:
        return "text"
    fields = read_object(given, path)
    read_choice(required(fields, "type", f"{path}.type"), f"{path}.type", ("json_schema",))
    schema = read_object(required(fields, "schema", f"{path}.schema"), f"{path}.schema")
    if schema.get("type", "object") != "object":
        raise MappingError(f"{path}.schema.type", 'must be "object"')
    return AnswerSchema(name="json", description="", schema=schema, path=f"{path}.schema")
