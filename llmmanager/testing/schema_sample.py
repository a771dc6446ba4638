"""Generates a value for a JSON schema, with words and numbers of a prompt where they are valid."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_FORMATS: Mapping[str, str] = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "6f1c2e6a-3b5d-4c8e-9a70-1d2b3c4d5e6f",
}
_PATTERN_GUESSES = ("0", "a", "A", "A1", "AB", "ABC", "USD", "abc", "en", "en-US", "a1", "1", "12", "123")
_MAX_DEPTH = 24
# What a keyword with a value of the wrong type leads to.
_MALFORMED = (AttributeError, TypeError, LookupError, ArithmeticError, RecursionError, re.error)
# Below this depth, only required properties and items are generated.
_OPTIONAL_DEPTH = 3
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w-]+(?:\s+[A-Z][\w-]+)*")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class SchemaSampler:
    """Generates values for one root schema. Names and numbers of `prompt` are used where they are valid."""

    def __init__(self, root: Any, prompt: str = "") -> None:
        self._root = root
        self._words: list[str] = _NAME.findall(prompt) or _WORD.findall(prompt)[-1:] or ["example"]
        self._prompt_words = {word.lower() for word in _WORD.findall(prompt)}
        self._numbers = [float(number) for number in _NUMBER.findall(prompt)]

    def sample(self) -> Any:
        """Return a value for the root schema.

        Raises:
            ValueError: the schema is malformed, such as with text for `properties`, or not supported.
        """
        try:
            return self._sample(self._root, 0)
        except _MALFORMED as error:
            raise ValueError(f"the schema is malformed: {error}") from None

    def _sample(self, schema: Any, depth: int) -> Any:
        if schema is True or schema == {}:
            return self._words[0]
        if not isinstance(schema, Mapping):
            raise ValueError(f"no value satisfies the schema {schema!r}")
        schema = self._merged(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choose(schema["enum"])
        kind = schema.get("type", _implied_type(schema))
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        samplers = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._number,
            "number": self._number,
        }
        if kind in samplers:
            return samplers[kind](schema, depth)
        if kind in ("boolean", "null"):
            return True if kind == "boolean" else None
        raise ValueError(f"the schema's type {kind!r} is unknown")

    def _merged(self, schema: Mapping[str, Any], hops: int = 0) -> Mapping[str, Any]:
        """Return the schema merged with `$ref`, `allOf` and the first branch of `anyOf` and `oneOf`."""
        if hops > 32:
            raise ValueError("the schema is recursive without a limit")
        merged = {
            key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")
        }
        branches = [self._resolve(schema["$ref"])] if "$ref" in schema else []
        branches += schema.get("allOf", [])
        branches += [_first_branch(schema[key]) for key in ("anyOf", "oneOf") if schema.get(key)]
        for branch in branches:
            if isinstance(branch, Mapping):
                _fold(merged, self._merged(branch, hops + 1))
        return merged

    def _resolve(self, reference: str) -> Any:
        target = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if name and not (isinstance(target, Mapping) and name in target):
                raise ValueError(f"the schema's reference {reference} does not exist")
            target = target[name] if name else target
        return target

    def _choose(self, values: list[Any]) -> Any:
        """Return the first value that occurs in the prompt, or the first value."""
        if not values:
            raise ValueError("the schema has an empty enum")
        return next((value for value in values if str(value).lower() in self._prompt_words), values[0])

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if depth > _MAX_DEPTH:
            raise ValueError("the schema is recursive without a limit")
        names = [*properties, *(name for name in required if name not in properties)]
        wanted = [name for name in names if name in required or depth < _OPTIONAL_DEPTH]
        result = {
            name: self._sample(properties.get(name, schema.get("additionalProperties") or True), depth + 1)
            for name in wanted
        }
        for number in range(schema.get("minProperties", 0) - len(result)):
            result[f"key{number + 1}"] = self._sample(schema.get("additionalProperties") or True, depth + 1)
        return result

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        leading = [self._sample(item, depth + 1) for item in schema.get("prefixItems", [])]
        minimum, maximum = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        length = int(min(max(minimum, 1 if depth < _OPTIONAL_DEPTH else 0), maximum))
        items = schema.get("items", True)
        while len(leading) < length and items is not False:
            item = self._sample(items, depth + 1)
            leading.append(_distinct(item, leading, items) if schema.get("uniqueItems") else item)
        return leading

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        if "pattern" in schema:
            return self._matching(schema)
        minimum, maximum = schema.get("minLength", 0), schema.get("maxLength")
        text = _FORMATS.get(schema.get("format", ""), self._words[0])
        return text.ljust(minimum, "x")[:maximum]

    def _matching(self, schema: Mapping[str, Any]) -> str:
        pattern = re.compile(schema["pattern"])
        for text in (
            *self._words,
            *_FORMATS.values(),
            *_PATTERN_GUESSES,
            _example_of(schema["pattern"]),
        ):
            has_length = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf)
            if has_length and pattern.search(text):
                return text
        raise ValueError(f"no text found that matches the schema's pattern {schema['pattern']}")

    def _number(self, schema: Mapping[str, Any], _depth: int) -> float | int:
        whole = schema.get("type") == "integer"
        step = schema.get("multipleOf", 1 if whole else None)
        low, high = _bounds(schema, whole)
        for number in (*self._numbers, 1.0, 0.0):
            if low <= number <= high and (step is None or math.isclose(number % step, 0, abs_tol=1e-9)):
                return int(number) if whole or number.is_integer() else number
        start = low if math.isfinite(low) else high
        if step is None:
            return start if not math.isfinite(low + high) else (low + high) / 2
        number = math.ceil(start / step) * step
        return int(number) if whole else number


def _implied_type(schema: Mapping[str, Any]) -> str:
    for kind, keys in (
        ("object", ("properties", "required", "additionalProperties")),
        ("array", ("items", "prefixItems", "minItems")),
        ("number", ("minimum", "maximum", "multipleOf")),
    ):
        if any(key in schema for key in keys):
            return kind
    return "string"


def _first_branch(branches: list[Any]) -> Any:
    return next((branch for branch in branches if branch != {"type": "null"}), branches[0])


def _fold(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if key == "properties":
            into[key] = {**into.get(key, {}), **value}
        elif key == "required":
            into[key] = [*into.get(key, []), *value]
        else:
            into.setdefault(key, value)


def _bounds(schema: Mapping[str, Any], whole: bool) -> tuple[float, float]:
    nudge = 1 if whole else 1e-6
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + nudge)
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - nudge)
    return low, high


def _distinct(item: Any, taken: list[Any], items: Any) -> Any:
    """Return a variant of `item` that is not in `taken`, for `uniqueItems`."""
    if item not in taken:
        return item
    if isinstance(items, Mapping) and "enum" in items:
        return next((value for value in items["enum"] if value not in taken), item)
    if isinstance(item, int | float) and not isinstance(item, bool):
        return max(one for one in taken if isinstance(one, int | float)) + 1
    if isinstance(item, bool):
        return not item
    return f"{item}{len(taken) + 1}" if isinstance(item, str) else item


def _example_of(pattern: str) -> str:
    """Return a text for a simple pattern of classes, literals and counted repeats, or an empty text."""
    text = ""
    for token, count in re.findall(r"(\[[^\]]+\]|\\[dws]|\\.|[^\\^$?*+{}()|])(\{\d+|[?*+])?", pattern):
        if token.startswith("["):
            one = next((char for char in "aA0-_ ." if re.fullmatch(token, char)), "")
        else:
            one = {"\\d": "0", "\\w": "a", "\\s": " ", ".": "a"}.get(token, token[-1])
        text += one * (int(count[1:]) if count.startswith("{") else 1)
    return text
