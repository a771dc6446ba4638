"""JSON schemas for Python types, and the conversion of JSON values to them.

Supported are dataclasses, TypedDicts, enums, `Literal`, `Optional` and other unions, `list`, `tuple`, `set`,
`frozenset`, `Sequence`, `dict` and `Mapping` with text as keys, `str`, `int`, `float`, `bool`, `None`,
`date`, `datetime`, `Any` and `NewType`s of these. `Annotated` adds a description (text) or keywords of JSON
Schema (a dict).
"""

from __future__ import annotations

import dataclasses
import types
from collections import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from inspect import cleandoc
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.structured.json_schema import violations

Convert = Callable[[Any], Any]
Schema = dict[str, Any]

# Errors with which a type rejects a value. A float cannot be as large as an integer.
_REJECTED = (ValueError, TypeError, OverflowError)
_SUPPORTED = (
    "dataclasses, TypedDicts, enums, Literal, Optional, unions, list, tuple, set, frozenset, Sequence, dict, "
    "Mapping, str, int, float, bool, None, date, datetime, Any, "
    "Annotated, NewType"
)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a date such as 2026-11-30 (got {text!r:.40})") from None


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a time such as 2026-11-30T08:00:00Z (got {text!r:.40})") from None


_PLAIN: Mapping[Any, tuple[Schema, Convert]] = {
    str: ({"type": "string"}, str),
    bool: ({"type": "boolean"}, bool),
    int: ({"type": "integer"}, int),
    float: ({"type": "number"}, float),
    None: ({"type": "null"}, lambda _: None),
    type(None): ({"type": "null"}, lambda _: None),
    datetime: ({"type": "string", "format": "date-time"}, _datetime),
    date: ({"type": "string", "format": "date"}, _date),
    Any: ({}, lambda value: value),
}
_ITEMS: Mapping[Any, Convert] = {
    list: list,
    abc.Sequence: list,
    abc.Iterable: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    abc.Set: frozenset,
}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclasses.dataclass(slots=True)
class TypeForm:
    """The JSON form of a type.

    Attributes:
        schema: the schema of the values.
        convert: returns the Python value of a valid JSON value. Raises ValueError or TypeError if the type
            itself rejects it.
    """

    schema: Schema
    convert: Convert


def type_form(target: Any) -> TypeForm:
    """Return the JSON form of a dataclass or TypedDict. Types that contain themselves are in `$defs`.

    Raises:
        ConfigurationError: a type in it is not supported. The message names the field.
    """
    reader = _Reader()
    form = reader.read(target, target.__name__)
    definitions = reader.definitions
    if not definitions:
        return form
    name = str(form.schema.get("$ref", "")).removeprefix("#/$defs/")
    root = definitions[name] if name else form.schema
    return TypeForm({**root, "$defs": definitions}, form.convert)


class _Reader:
    """Reads the types of one schema.

    Attributes:
        definitions: the schemas of types that contain themselves, by name.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._open: dict[Any, TypeForm] = {}
        self._recursive: dict[Any, str] = {}

    def read(self, target: Any, path: str) -> TypeForm:
        """Return the JSON form of a type.

        Args:
            path: the field with this type, for errors.
        """
        origin, arguments = get_origin(target), get_args(target)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], path)
        if origin in (Required, NotRequired):
            return self.read(arguments[0], path)
        if isinstance(target, NewType):
            return self.read(target.__supertype__, path)
        if origin is Literal:
            return _choice([(value, value) for value in arguments], path)
        if origin in (Union, types.UnionType):
            return self._union(arguments, path)
        if target in _PLAIN:
            schema, convert = _PLAIN[target]
            return TypeForm(dict(schema), convert)
        if (origin or target) in _ITEMS:
            return self._items(origin or target, arguments, path)
        if (origin or target) in _MAPPINGS:
            return self._mapping(arguments, path)
        if isinstance(target, type) and issubclass(target, Enum):
            return _choice([(member.value, member) for member in target], path)
        if (isinstance(target, type) and dataclasses.is_dataclass(target)) or is_typeddict(target):
            return self._object(target)
        raise ConfigurationError(
            f"schema: {path} has the type {target!r}, which is not supported; supported: {_SUPPORTED}",
            {"schema": path},
        )

    def _annotated(self, target: Any, notes: Iterable[Any], path: str) -> TypeForm:
        form = self.read(target, path)
        for note in notes:
            if isinstance(note, str):
                form.schema = {**form.schema, "description": note}
            elif isinstance(note, Mapping):
                form.schema = {**form.schema, **note}
        return form

    def _union(self, arguments: Iterable[Any], path: str) -> TypeForm:
        forms = [self.read(argument, path) for argument in arguments]

        def convert(value: Any) -> Any:
            reason = "matches no type of the union"
            for form in forms:
                schema = {**form.schema, "$defs": self.definitions} if self.definitions else form.schema
                if not any(violations(value, schema)):
                    try:
                        return form.convert(value)
                    except _REJECTED as error:
                        reason = str(error)
            raise ValueError(reason)

        return TypeForm({"anyOf": [form.schema for form in forms]}, convert)

    def _items(self, collection: Any, arguments: tuple[Any, ...], path: str) -> TypeForm:
        if collection is tuple and arguments and (len(arguments) != 2 or arguments[1] is not Ellipsis):
            raise ConfigurationError(
                f"schema: {path} is a tuple of a fixed length, which is not supported; use a dataclass, or "
                "tuple[T, ...]",
                {"schema": path},
            )
        item = self.read(arguments[0] if arguments else Any, f"{path}[]")
        make = _ITEMS[collection]
        return TypeForm(
            {"type": "array", "items": item.schema}, lambda value: make(item.convert(one) for one in value)
        )

    def _mapping(self, arguments: tuple[Any, ...], path: str) -> TypeForm:
        key, value_type = arguments or (str, Any)
        if key is not str:
            raise ConfigurationError(f"schema: {path} must have str as keys (got {key!r})", {"schema": path})
        inner = self.read(value_type, f"{path}{{}}")
        return TypeForm(
            {"type": "object", "additionalProperties": inner.schema},
            lambda value: {name: inner.convert(one) for name, one in value.items()},
        )

    def _object(self, target: Any) -> TypeForm:
        """Return the form of a dataclass or TypedDict. A type in itself becomes a reference."""
        if target in self._open:
            name = self._recursive.setdefault(target, _free_name(target.__name__, self._recursive.values()))
            form = self._open[target]
            return TypeForm({"$ref": f"#/$defs/{name}"}, lambda value: form.convert(value))
        form = self._open[target] = TypeForm({}, lambda value: value)
        hints = _field_types(target)
        fields = {name: self.read(kind, f"{target.__name__}.{name}") for name, kind in hints.items()}
        del self._open[target]
        schema: Schema = {
            "type": "object",
            "properties": {name: field.schema for name, field in fields.items()},
            "required": _required(target, hints),
            "additionalProperties": False,
        }
        if description := _description(target):
            schema["description"] = description
        form.convert = lambda value: target(**_converted(target.__name__, fields, value))
        if target in self._recursive:
            name = self._recursive[target]
            self.definitions[name] = schema
            schema = {"$ref": f"#/$defs/{name}"}
        form.schema = schema
        return form


def _converted(type_name: str, fields: Mapping[str, TypeForm], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Python values of a type's fields. An error names the field."""
    converted = {}
    for name, one in value.items():
        try:
            converted[name] = fields[name].convert(one)
        except _REJECTED as error:
            raise ValueError(f"{type_name}.{name}: {error}") from error
    return converted


def _choice(pairs: Sequence[tuple[Any, Any]], path: str) -> TypeForm:
    """Return the form of a `Literal` or an enum: pairs of the JSON value and the Python value."""
    kinds = [_JSON_TYPES.get(type(value)) for value, _ in pairs]
    if not pairs or None in kinds:
        raise ConfigurationError(
            f"schema: the values of {path} must be text, numbers, true, false or None", {"schema": path}
        )
    distinct = list(dict.fromkeys(kinds))
    # 1 and True are the same key of a dict.
    members = {(isinstance(value, bool), value): member for value, member in pairs}
    schema = {
        "type": distinct[0] if len(distinct) == 1 else distinct,
        "enum": [value for _, value in members],
    }
    return TypeForm(schema, lambda value: members[isinstance(value, bool), value])


def _field_types(target: Any) -> dict[str, Any]:
    try:
        hints = get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(
            f"schema: the types of {target.__name__} cannot be resolved: {error}", {"schema": target.__name__}
        ) from error
    if is_typeddict(target):
        return hints
    for name, kind in hints.items():
        if isinstance(kind, dataclasses.InitVar) and not hasattr(target, name):
            field = f"{target.__name__}.{name}"
            raise ConfigurationError(f"schema: {field} is an InitVar without a default", {"schema": field})
    return {field.name: hints[field.name] for field in dataclasses.fields(target) if field.init}


def _required(target: Any, hints: Mapping[str, Any]) -> list[str]:
    if not is_typeddict(target):
        return [
            field.name
            for field in dataclasses.fields(target)
            if field.name in hints
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
    # With `from __future__ import annotations`, `__required_keys__` ignores `NotRequired`.
    return [
        name
        for name, kind in hints.items()
        if get_origin(kind) is not NotRequired
        and (name in target.__required_keys__ or get_origin(kind) is Required)
    ]


def _description(target: Any) -> str:
    """Return the docstring of a type without the one that `dataclass` writes."""
    text = cleandoc(target.__doc__ or "")
    return "" if text.startswith(f"{target.__name__}(") else text


def _free_name(name: str, taken: Iterable[str]) -> str:
    while name in taken:
        name += "_"
    return name
