"""Validate answers with a subset of JSON Schema: types, properties, items, bounds, enums, combinations.

A schema with any other keyword is rejected, because ignoring a keyword would accept invalid answers. `format`
is the exception: as in JSON Schema itself, it describes a value and is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from llmmanager.bedrock.structured.search_patterns import Patterns, backtracking_pattern
from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: _is_number(value) and _is_finite(value),
    "integer": lambda value: _is_number(value) and _is_finite(value) and value == int(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "format"}
)
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_COUNTED: Mapping[type, str] = {str: "Length", list: "Items", dict: "Properties"}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_DEFINITIONS = ("$defs", "definitions")
# A body has room for a hundred thousand. RE2 keeps 128 compiled patterns.
MAX_PATTERNS = 100
# Combinations of references can require a number of steps that is exponential in the depth of the answer.
MAX_STEPS = 500_000
# Schemas that apply to the same value, one inside the other or through references.
_MAX_REFERENCES = 100
_SINGLE = ("type", "enum", "const", "pattern", "properties", "required", "additionalProperties", "items")
KEYWORDS = (*_SINGLE, "$ref", *_DEFINITIONS, *_COUNTS, *_BOUNDS, *_COMBINATIONS)


def schema_problems(schema: Any, path: str, *, patterns: Patterns = backtracking_pattern) -> list[str]:
    """Return the problems of a schema. Each starts with its path below `path`.

    The search ends when there are more problems than a response lists.

    Args:
        patterns: compiles the patterns, as for `violations`.
    """
    if _count_patterns(schema) > MAX_PATTERNS:
        return [f"{path}: must have at most {MAX_PATTERNS} patterns"]
    return list(islice(_SchemaCheck(schema, patterns).problems(path), MAX_PROBLEMS + 1))


def violations(
    value: Any, schema: Any, path: str = "answer", *, patterns: Patterns = backtracking_pattern
) -> Iterator[str]:
    """Yield the violations of a valid schema. Lazy, because most callers need only the first one.

    Args:
        patterns: compiles the schema's patterns. Patterns of untrusted callers need a matcher without
            backtracking.
    """
    return _ValueCheck(schema, patterns).violations(value, schema, path)


class _ValueCheck:
    """Checks the values of one answer.

    Args:
        root: the schema in which references are resolved.
    """

    def __init__(self, root: Any, patterns: Patterns) -> None:
        self._root = root
        self._patterns = patterns
        self._steps_left = MAX_STEPS

    def violations(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        """Yield the violations of a schema, which is the root or a part of it."""
        self._steps_left -= 1
        if self._steps_left < 0:
            yield f"{path}: has too many parts to be checked with this schema"
            return
        if schema is False:
            yield f"{path}: is not allowed"
        if isinstance(schema, bool):
            return
        if "$ref" in schema:
            yield from self.violations(value, _referenced(schema["$ref"], self._root), path)
        types = _as_list(schema.get("type", []))
        if types and not any(_TYPES[name](value) for name in types):
            yield f"{path}: must be {' or '.join(types)}"
            return
        if "enum" in schema and not any(_equal(value, choice) for choice in schema["enum"]):
            yield f"{path}: must be one of the values of enum"
        if "const" in schema and not _equal(value, schema["const"]):
            yield f"{path}: must be the value of const"
        yield from self._bounds(value, schema, path)
        yield from self._inner(value, schema, path)
        yield from self._combinations(value, schema, path)

    def _bounds(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        kind = _COUNTED.get(type(value))
        if kind and not schema.get(f"min{kind}", 0) <= len(value) <= schema.get(f"max{kind}", math.inf):
            yield f"{path}: violates min{kind} or max{kind}"
        if _is_number(value):
            low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
            above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
            inside = (above is None or value > above) and (below is None or value < below)
            if not (low <= value <= high and inside):
                yield f"{path}: is out of range"
        if (
            isinstance(value, str)
            and "pattern" in schema
            and not self._patterns(schema["pattern"]).search(value)
        ):
            yield f"{path}: does not match the pattern"

    def _inner(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        if isinstance(value, list):
            for number, item in enumerate(value if "items" in schema else ()):
                yield from self.violations(item, schema["items"], f"{path}[{number}]")
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for name in schema.get("required", ()):
                if name not in value:
                    yield f"{path}.{name}: is missing"
            for name, item in value.items():
                inner = properties.get(name, schema.get("additionalProperties", True))
                yield from self.violations(item, inner, f"{path}.{name[:80]}")

    def _combinations(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        for inner in schema.get("allOf", ()):
            yield from self.violations(value, inner, path)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                matching = sum(not any(self.violations(value, inner, path)) for inner in schema[keyword])
                if not matching or (keyword == "oneOf" and matching > 1):
                    yield f"{path}: matches {matching} of the schemas in {keyword}"


class _SchemaCheck:
    """Checks a schema."""

    def __init__(self, root: Any, patterns: Patterns) -> None:
        self._root = root
        self._patterns = patterns

    def problems(self, path: str) -> Iterator[str]:
        """Yield the problems of the whole schema."""
        is_valid = True
        for problem in self._check(self._root, path):
            is_valid = False
            yield problem
        if is_valid and _refers_to_itself(self._root):
            yield f"{path}: has a $ref that leads back to itself without a property or item between"

    def _check(self, schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            yield f"{path}: must be a JSON Schema: an object or a boolean"
            return
        for keyword, value in schema.items():
            at = f"{path}.{keyword[:80]}"
            if keyword in KEYWORDS:
                yield from self._keyword(keyword, value, at)
            elif keyword not in _ANNOTATIONS:
                yield f"{at}: unsupported keyword; supported: {', '.join(KEYWORDS)}"

    def _keyword(self, keyword: str, value: Any, at: str) -> Iterator[str]:
        if keyword in _COMBINATIONS:
            yield from self._list(value, at)
        elif keyword in ("properties", *_DEFINITIONS):
            if not isinstance(value, dict):
                yield f"{at}: must be an object of schemas"
                return
            for name, inner in value.items():
                yield from self._check(inner, f"{at}.{name[:80]}")
        elif keyword in ("items", "additionalProperties"):
            yield from self._check(value, at)
        elif keyword == "pattern":
            yield from self._pattern(value, at)
        elif keyword == "$ref":
            if _referenced(value, self._root) is None:
                yield f'{at}: must be "#", or "#/$defs/" or "#/definitions/" and the name of a schema there'
        else:
            yield from _plain_problems(keyword, value, at)

    def _list(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list) or not value:
            yield f"{at}: must be a list of at least one schema"
            return
        for number, inner in enumerate(value):
            yield from self._check(inner, f"{at}[{number}]")

    def _pattern(self, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{at}: must be a string"
            return
        try:
            self._patterns(value)
        except ValueError as error:
            yield f"{at}: {error}"


def _plain_problems(keyword: str, value: Any, at: str) -> Iterator[str]:
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


def _referenced(reference: Any, root: Any) -> Any:
    """Return the schema to which a reference leads, or None."""
    if reference == "#":
        return root
    for keyword in _DEFINITIONS:
        prefix = f"#/{keyword}/"
        if isinstance(reference, str) and reference.startswith(prefix) and isinstance(root, dict):
            name = reference.removeprefix(prefix).replace("~1", "/").replace("~0", "~")
            definitions = root.get(keyword)
            return definitions.get(name) if isinstance(definitions, dict) else None
    return None


def _schemas_inside(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema whose keywords are valid, and all schemas in it."""
    if isinstance(schema, dict):
        yield schema
        named = [
            inner for keyword in ("properties", *_DEFINITIONS) for inner in schema.get(keyword, {}).values()
        ]
        listed = [inner for keyword in _COMBINATIONS for inner in schema.get(keyword, ())]
        for inner in (*named, *listed, schema.get("items"), schema.get("additionalProperties")):
            yield from _schemas_inside(inner)


def _refers_to_itself(root: Any) -> bool:
    """Whether references lead in a circle for the same value, or through too many schemas.

    Args:
        root: a schema whose keywords are valid.
    """
    finished: set[int] = set()

    def is_circular(schema: Any, depth: int) -> bool:
        if not isinstance(schema, dict) or id(schema) in finished:
            return False
        if depth > _MAX_REFERENCES:
            return True
        same_value = [inner for keyword in _COMBINATIONS for inner in schema.get(keyword, ())]
        if "$ref" in schema:
            same_value.append(_referenced(schema["$ref"], root))
        if any(is_circular(inner, depth + 1) for inner in same_value):
            return True
        finished.add(id(schema))
        return False

    return any(is_circular(schema, 0) for schema in _schemas_inside(root))


def _count_patterns(value: Any) -> int:
    """Return an upper bound for the number of patterns: all strings with the key `pattern`, at any depth."""
    if isinstance(value, list):
        return sum(map(_count_patterns, value))
    if isinstance(value, dict):
        return isinstance(value.get("pattern"), str) + sum(map(_count_patterns, value.values()))
    return 0


def _is_type(name: Any) -> bool:
    return isinstance(name, str) and name in _TYPES


def _is_finite(value: float) -> bool:
    # `math.isfinite` cannot convert an integer of more than 308 digits.
    return isinstance(value, int) or math.isfinite(value)


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
