"""Validate answers with a subset of JSON Schema: types, properties, items, bounds, enums, combinations.

A schema with any other keyword is rejected, because ignoring a keyword would accept invalid answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from lambdas.shared.linear_regex import InvalidPattern, LinearRegex
from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and value == int(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "default", "examples"})
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_COUNTED: Mapping[type, str] = {str: "Length", list: "Items", dict: "Properties"}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
# A body has room for a hundred thousand. RE2 keeps 128 compiled patterns.
MAX_PATTERNS = 100
_SINGLE = ("type", "enum", "const", "pattern", "properties", "required", "additionalProperties", "items")
KEYWORDS = (*_SINGLE, *_COUNTS, *_BOUNDS, *_COMBINATIONS)


def schema_problems(schema: Any, path: str) -> list[str]:
    """Return the problems of a schema. Each starts with its path below `path`.

    The search ends when there are more problems than a response lists.
    """
    if _count_patterns(schema) > MAX_PATTERNS:
        return [f"{path}: must have at most {MAX_PATTERNS} patterns"]
    return list(islice(_check(schema, path), MAX_PROBLEMS + 1))


def violations(value: Any, schema: Any, path: str = "answer") -> Iterator[str]:
    """Yield the violations of a valid schema. Lazy, because most callers need only the first one."""
    if schema is False:
        yield f"{path}: is not allowed"
    if isinstance(schema, bool):
        return
    types = _as_list(schema.get("type", []))
    if types and not any(_TYPES[name](value) for name in types):
        yield f"{path}: must be {' or '.join(types)}"
        return
    if "enum" in schema and not any(_equal(value, choice) for choice in schema["enum"]):
        yield f"{path}: must be one of the values of enum"
    if "const" in schema and not _equal(value, schema["const"]):
        yield f"{path}: must be the value of const"
    yield from _bound_violations(value, schema, path)
    yield from _inner_violations(value, schema, path)
    yield from _combination_violations(value, schema, path)


def _bound_violations(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    kind = _COUNTED.get(type(value))
    if kind and not schema.get(f"min{kind}", 0) <= len(value) <= schema.get(f"max{kind}", math.inf):
        yield f"{path}: violates min{kind} or max{kind}"
    if _is_number(value):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        inside = (above is None or value > above) and (below is None or value < below)
        if not (low <= value <= high and inside):
            yield f"{path}: is out of range"
    if isinstance(value, str) and "pattern" in schema and not LinearRegex(schema["pattern"]).search(value):
        yield f"{path}: does not match the pattern"


def _inner_violations(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from violations(item, schema["items"], f"{path}[{number}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}.{name}: is missing"
        for name, item in value.items():
            inner = properties.get(name, schema.get("additionalProperties", True))
            yield from violations(item, inner, f"{path}.{name[:80]}")


def _combination_violations(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for inner in schema.get("allOf", ()):
        yield from violations(value, inner, path)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            matching = sum(not any(violations(value, inner, path)) for inner in schema[keyword])
            if not matching or (keyword == "oneOf" and matching > 1):
                yield f"{path}: matches {matching} of the schemas in {keyword}"


def _check(schema: Any, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{path}: must be a JSON Schema: an object or a boolean"
        return
    for keyword, value in schema.items():
        at = f"{path}.{keyword[:80]}"
        if keyword in KEYWORDS:
            yield from _check_keyword(keyword, value, at)
        elif keyword not in _ANNOTATIONS:
            yield f"{at}: unsupported keyword; supported: {', '.join(KEYWORDS)}"


def _check_keyword(keyword: str, value: Any, at: str) -> Iterator[str]:
    if keyword in _COMBINATIONS:
        yield from _check_list(value, at)
    elif keyword == "properties":
        if not isinstance(value, dict):
            yield f"{at}: must be an object of schemas"
            return
        for name, inner in value.items():
            yield from _check(inner, f"{at}.{name[:80]}")
    elif keyword in ("items", "additionalProperties"):
        yield from _check(value, at)
    elif keyword == "pattern":
        yield from _check_pattern(value, at)
    else:
        yield from _check_plain(keyword, value, at)


def _check_plain(keyword: str, value: Any, at: str) -> Iterator[str]:
    strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if keyword == "type" and not (value and all(_is_type(name) for name in _as_list(value))):
        yield f"{at}: must be one or more of {', '.join(_TYPES)}"
    elif keyword == "required" and not strings:
        yield f"{at}: must be a list of strings"
    elif keyword == "enum" and not (isinstance(value, list) and value):
        yield f"{at}: must be a list of at least one value"
    elif keyword in _COUNTS and not (_TYPES["integer"](value) and value >= 0):
        yield f"{at}: must be an integer of at least 0"
    elif keyword in _BOUNDS and not _is_number(value):
        yield f"{at}: must be a number"


def _check_list(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{at}: must be a list of at least one schema"
        return
    for number, inner in enumerate(value):
        yield from _check(inner, f"{at}[{number}]")


def _check_pattern(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{at}: must be a string"
        return
    try:
        LinearRegex(value)
    except InvalidPattern as error:
        yield f"{at}: {error}"


def _count_patterns(value: Any) -> int:
    """Return an upper bound for the number of patterns: all strings with the key `pattern`, at any depth."""
    if isinstance(value, list):
        return sum(map(_count_patterns, value))
    if isinstance(value, dict):
        return isinstance(value.get("pattern"), str) + sum(map(_count_patterns, value.values()))
    return 0


def _is_type(name: Any) -> bool:
    return isinstance(name, str) and name in _TYPES


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    """Whether two values are equal in JSON, where true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
