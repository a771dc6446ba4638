"""Validates a request against botocore's service model, with the error messages of AWS."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import ServiceError, invalid

_Shapes = Mapping[str, Any]
_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


def check_shape(name: str, value: Any, *, service: str = "bedrock-runtime") -> None:
    """Validate `value`, as parsed from JSON, against shape `name` of a service.

    Raise ServiceError: SerializationException for a wrong type, ValidationException for a violated
        constraint.
    """
    problems = list(_problems(_shapes(service), name, value, path=""))
    if problems:
        noun = "error" if len(problems) == 1 else "errors"
        raise invalid(f"{len(problems)} validation {noun} detected: {'; '.join(problems)}")


def with_nulls(name: str, value: Any) -> Any:
    """Return `value` of shape `name` of bedrock-runtime, with a null for each member without a value.

    Bedrock writes the output of batch jobs like this.
    """
    shapes = _shapes("bedrock-runtime")
    shape = shapes[name]
    if value is None or shape.get("document"):
        return value
    if shape["type"] == "list":
        return [with_nulls(shape["member"]["shape"], item) for item in value]
    if shape["type"] == "structure":
        members = shape["members"].items()
        return {key: with_nulls(member["shape"], value.get(key)) for key, member in members}
    return value


@functools.cache
def _shapes(service: str) -> dict[str, Any]:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise RuntimeError("FakeBedrock requires the package botocore, which contains the request shapes")
    folder = max((Path(spec.origin).parent / "data" / service).iterdir())
    packed = folder / "service-2.json.gz"
    text = (
        gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "service-2.json").read_bytes()
    )
    shapes: dict[str, Any] = json.loads(text)["shapes"]
    return shapes


def _problems(shapes: _Shapes, name: str, value: Any, *, path: str) -> Iterator[str]:
    shape = shapes[name]
    kind: str = shape["type"]
    if shape.get("document"):
        return
    if not _is_a(value, kind):
        raise ServiceError(
            "SerializationException",
            f"{_json_kind(value)} can not be converted to {_article(kind)}{f' at {path}' if path else ''}",
        )
    yield from _constraint_problems(shape, value, path)
    if kind == "structure":
        yield from _member_problems(shapes, shape, value, path=path)
    elif kind == "list":
        for index, item in enumerate(value, start=1):
            yield from _problems(shapes, shape["member"]["shape"], item, path=f"{path}.{index}.member")
    elif kind == "map":
        for key, item in value.items():
            yield from _problems(shapes, shape["value"]["shape"], item, path=f"{path}.{key}")


def _member_problems(
    shapes: _Shapes, shape: Mapping[str, Any], value: Mapping[str, Any], *, path: str
) -> Iterator[str]:
    members = {
        name: member
        for name, member in shape["members"].items()
        if member.get("location") is None and value.get(name) is not None
    }
    for name in shape.get("required", ()):
        if name not in members and shape["members"][name].get("location") is None:
            yield _problem(None, _join(path, name), "Member must not be null")
    if shape.get("union") and len(members) != 1:
        raise invalid(
            f"The object at {path} must set exactly one of the following keys: {', '.join(shape['members'])}."
        )
    for name, member in members.items():
        yield from _problems(shapes, member["shape"], value[name], path=_join(path, name))


def _constraint_problems(shape: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if "enum" in shape and value not in shape["enum"]:
        yield _problem(value, path, f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]")
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        yield _problem(value, path, f"Member must satisfy regular expression pattern: {shape['pattern']}")
    if shape["type"] == "blob":  # the limit applies to the decoded bytes, not to the base64 text
        return
    size = len(value) if isinstance(value, str | list | dict) else value
    noun = "value" if size is value else "length"
    if "min" in shape and size < shape["min"]:
        yield _problem(value, path, f"Member must have {noun} greater than or equal to {shape['min']}")
    if "max" in shape and size > shape["max"]:
        yield _problem(value, path, f"Member must have {noun} less than or equal to {shape['max']}")


def _problem(value: Any, path: str, rule: str) -> str:
    shown = "null " if value is None else f"'{value}' " if isinstance(value, str | int | float) else ""
    return f"Value {shown}at '{path}' failed to satisfy constraint: {rule}"


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _json_kind(value: Any) -> str:
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, bool):
        return f"{str(value).upper()}_VALUE"
    if isinstance(value, int | float):
        return "NUMBER_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    return "START_ARRAY" if isinstance(value, list) else "START_OBJECT"


def _article(kind: str) -> str:
    word = {"structure": "Object", "list": "List", "map": "Map"}.get(kind, kind.capitalize())
    return f"an {word}" if word[0] in "AEIO" else f"a {word}"
