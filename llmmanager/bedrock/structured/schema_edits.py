"""Change a JSON schema to a form that a model accepts. The given schema is not changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_SCHEMAS_IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else")
# Bedrock rejects a schema with one of these in `outputConfig`: AWS's page "Get validated JSON results from
# models", and reports of the error "For 'integer' type, properties maximum, minimum are not supported".
_NOT_NATIVE = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "propertyNames", "patternProperties", "not", "if", "then", "else"),
)
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
# A schema can repeat a definition so often that the result does not fit into memory.
_MAX_INLINED = 1000
_NOVA_TOOL_FIELDS = ("type", "properties", "required")


def native_schema(schema: Schema) -> Schema | None:
    """Return the schema for `outputConfig.textFormat`, or None if it cannot be expressed there.

    Objects get `"additionalProperties": false`. Keywords that are not accepted become part of the
    description, and must be checked in the answer. A schema that allows additional properties, or refers to
    itself, cannot be expressed.
    """
    if _inlined(schema) is None:
        return None
    try:
        closed: Schema = _closed(schema)
    except _NotNative:
        return None
    return closed


def tool_schema(schema: Schema) -> Schema:
    """Return the schema of the arguments of a tool.

    Amazon Nova accepts only type, properties and required at the top of it, so references are replaced by
    their schemas. A schema that refers to itself keeps its definitions.
    """
    inlined = _inlined(schema)
    if inlined is None:
        return {"type": "object", **schema}
    if "properties" not in inlined:
        return {**inlined, "type": "object"}
    return {"type": "object"} | {name: inlined[name] for name in _NOVA_TOOL_FIELDS if name in inlined}


def with_resolved_root(schema: Schema) -> dict[str, Any]:
    """Return the schema; if it is a reference to a definition, with the members of the definition instead."""
    reference = str(schema.get("$ref", ""))
    keyword, _, name = reference.removeprefix("#/").partition("/")
    definition = _members(schema, keyword).get(name) if reference.startswith("#/") else None
    if not isinstance(definition, Mapping):
        return dict(schema)
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}


class _NotNative(Exception):
    """The schema allows any value, or an object with any properties."""


def _closed(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if not schema.keys() - _ANNOTATIONS:
        raise _NotNative
    closed = dict(schema)
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties", "properties" not in schema) is not False:
            raise _NotNative
        closed["additionalProperties"] = False
    if "oneOf" in closed and "anyOf" not in closed:
        closed["anyOf"] = closed.pop("oneOf")
    removed = {name: closed.pop(name) for name in _NOT_NATIVE if name in closed}
    if removed:
        notes = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in removed.items())
        closed["description"] = f"{closed.get('description', '')} ({', '.join(notes)})".strip()
    return _with_inner(closed, _closed)


def _with_inner(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a copy of a schema with changed inner schemas."""
    changed = dict(schema)
    for key in _SCHEMAS:
        if key in schema:
            changed[key] = change(schema[key])
    for key in _SCHEMAS_IN_LISTS:
        if isinstance(schema.get(key), list):
            changed[key] = [change(item) for item in schema[key]]
    for key in _SCHEMAS_BY_NAME:
        if isinstance(schema.get(key), Mapping):
            changed[key] = {name: change(item) for name, item in schema[key].items()}
    return changed


class _Recursive(Exception):
    """A reference leads to a schema that contains it, or to no schema, or there are too many references."""


def _inlined(root: Schema) -> Schema | None:
    """Return the schema with the schemas to which its references lead; None if one cannot be replaced."""
    definitions = {
        f"#/{keyword}/{name}": inner
        for keyword in ("$defs", "definitions")
        for name, inner in _members(root, keyword).items()
    }
    inlined: list[str] = []

    def inline(schema: Any, entered: tuple[str, ...] = ()) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        if "$ref" not in schema:
            return _with_inner(schema, lambda inner: inline(inner, entered))
        reference = schema["$ref"]
        if (
            not isinstance(reference, str)
            or reference in entered
            or reference not in definitions
            or len(inlined) == _MAX_INLINED
        ):
            raise _Recursive
        inlined.append(reference)
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return inline({**definitions[reference], **beside}, (*entered, reference))

    try:
        result: Schema = inline(
            {name: value for name, value in root.items() if name not in ("$defs", "definitions")}
        )
    except _Recursive:
        return None
    return result


def _members(schema: Schema, keyword: str) -> Mapping[str, Any]:
    """Return the schemas by name of a keyword. Schemas of clients are not validated."""
    members = schema.get(keyword)
    return members if isinstance(members, Mapping) else {}
