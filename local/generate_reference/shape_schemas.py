"""JSON schemas of the types with which Converse requests are validated (`converse_schema`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.validation import converse_schema
from llmmanager.bedrock.validation.schema_types import (
    Blob,
    Choice,
    Flag,
    Forbidden,
    Integer,
    JsonObject,
    ListOf,
    MapOf,
    Number,
    Shape,
    Struct,
    Text,
    Union,
)

Schema = dict[str, Any]


def component_name(constant: str) -> str:
    """Return the name of a component in docs/openapi.json for a constant: "TOOL_USE" becomes "ToolUse"."""
    return "".join(part.capitalize() for part in constant.split("_"))


# The shapes that have a constant become components. Each mention refers to the component.
_NAMES: Mapping[int, str] = {
    id(shape): component_name(constant)
    for constant, shape in vars(converse_schema).items()
    if isinstance(shape, Struct | Union)
}


class ShapeSchemas:
    """Translates shapes, and collects the components to which their schemas refer.

    Attributes:
        components: the schemas of these components by name.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def schema(self, shape: Shape) -> Schema:
        """Return the schema of a shape: a reference if the shape has a constant in `converse_schema`."""
        name = _NAMES.get(id(shape))
        if name is None:
            return self._translate(shape)
        if name not in self.components:
            # Reserve the place, so that components are in the order of their first mention.
            self.components[name] = {}
            self.components[name].update(self._translate(shape))
        return {"$ref": f"#/components/schemas/{name}"}

    def _translate(self, shape: Shape) -> Schema:
        match shape:
            case ListOf():
                return {"type": "array", "items": self.schema(shape.item), **_bounds("Items", shape)}
            case MapOf():
                return {
                    "type": "object",
                    "propertyNames": _leaf(shape.key),
                    "additionalProperties": self.schema(shape.value),
                    **_bounds("Properties", shape),
                }
            case converse_schema.MessageStruct():
                return self._message(shape)
            case Struct():
                return self._struct(shape)
            case Union():
                return {
                    "type": "object",
                    "description": "Exactly one member.",
                    "properties": self._properties(shape.members),
                    "minProperties": 1,
                    "maxProperties": 1,
                }
        return _leaf(shape)

    def _struct(self, shape: Struct) -> Schema:
        properties = {"properties": self._properties(shape.members)} if shape.members else {}
        required = {"required": list(shape.required)} if shape.required else {}
        return {"type": "object", **properties, **required}

    def _message(self, shape: Struct) -> Schema:
        """Return the schema of a message. Only an assistant message may have no content block."""
        schema = self._struct(converse_schema.ASSISTANT_MESSAGE)
        content = shape.members["content"]
        assert isinstance(content, ListOf)
        return schema | {
            "if": {"properties": {"role": {"const": "assistant"}}},
            "else": {"properties": {"content": _bounds("Items", content)}},
        }

    def _properties(self, members: Mapping[str, Shape]) -> dict[str, Schema]:
        return {name: self.schema(member) for name, member in members.items()}


def _leaf(shape: Shape) -> Schema:
    match shape:
        case Text():
            pattern = {} if shape.pattern is None else {"pattern": f"^(?:{shape.pattern})$"}
            return {"type": "string", **_bounds("Length", shape), **pattern}
        case Choice(open_ended=True):
            # AWS may add values, so the known ones are examples.
            return {"type": "string", "minLength": 1, "examples": list(shape.values)}
        case Choice():
            return {"enum": list(shape.values)}
        case Integer():
            return {"type": "integer", "minimum": shape.low, "maximum": shape.high}
        case Number():
            return {"type": "number", "minimum": shape.low, "maximum": shape.high}
        case Flag():
            return {"type": "boolean"}
        case Blob():
            # `format` is for tools that know OpenAPI 3.0 only.
            return {"type": "string", "contentEncoding": "base64", "format": "byte"} | _base64_bounds(shape)
        case JsonObject():
            return {"type": "object"}
        case Forbidden():
            return {"not": {}, "description": f"Must be omitted: {shape.reason}."}
    raise TypeError(f"{type(shape).__name__} has no JSON schema: add it to {__name__}")


def _base64_bounds(shape: Blob) -> Schema:
    """Return the bounds of the base64 text of a number of bytes: four characters for each three bytes."""
    low = {"minLength": -(-shape.low // 3) * 4} if shape.low else {}
    return low if shape.high is None else low | {"maxLength": -(-shape.high // 3) * 4}


def _bounds(counted: str, shape: Text | ListOf | MapOf) -> Schema:
    """Return `minLength` and `maxLength` (or of items or properties), without bounds that allow all."""
    low = {f"min{counted}": shape.low} if shape.low else {}
    return low if shape.high is None else low | {f"max{counted}": shape.high}
