"""Short forms of JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
SOME_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
DATE: Final[Schema] = {"type": "string", "format": "date"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
WHOLE: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
ANY_OBJECT: Final[Schema] = {"type": "object"}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema, description: str = "") -> Schema:
    """Return a schema that also accepts null."""
    return described({**schema, "type": [schema["type"], "null"]}, description)


def described(schema: Schema, description: str) -> Schema:
    """Return the schema with a description; without a change if it is empty."""
    return {**schema, "description": description} if description else schema


def array(items: Schema, **bounds: int) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items, **bounds}


def by_name(values: Schema, description: str = "") -> Schema:
    """Return the schema of an object whose member names are data, such as regions."""
    return described({"type": "object", "additionalProperties": values}, description)


def record(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    description: str = "",
    *,
    closed: bool = False,
) -> Schema:
    """Return the schema of an object.

    Args:
        required: the members that it always has.
        optional: the members that it may have.
        description: what it is.
        closed: whether it has no other members.
    """
    schema: Schema = {"type": "object"}
    members = {**required, **(optional or {})}
    if members:
        schema["properties"] = members
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return described(schema, description)
