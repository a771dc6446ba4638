"""Read the fields of a request. Each function raises a MappingError that names the field's path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lambdas.streaming_api.mapping_error import MappingError, missing
from llmmanager.bedrock.validation.request_problems import quote

_KINDS = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}


def read_object(value: Any, path: str) -> Mapping[str, Any]:
    """Return an object."""
    if isinstance(value, dict):
        return value
    raise _rejection(value, path, "an object")


def read_list(value: Any, path: str) -> list[Any]:
    """Return a list."""
    if isinstance(value, list):
        return value
    raise _rejection(value, path, "a list")


def read_text(value: Any, path: str) -> str:
    """Return a string."""
    if isinstance(value, str):
        return value
    raise _rejection(value, path, "a string")


def read_flag(value: Any, path: str) -> bool:
    """Return a boolean."""
    if isinstance(value, bool):
        return value
    raise _rejection(value, path, "true or false")


def read_integer(value: Any, path: str, *, low: int) -> int:
    """Return an integer of at least `low`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= low:
        return value
    raise _rejection(value, path, f"an integer of at least {low}")


def read_number(value: Any, path: str, *, low: float, high: float) -> float:
    """Return a number between two bounds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise _rejection(value, path, f"a number from {low} to {high}")


def read_choice(value: Any, path: str, choices: Collection[str]) -> str:
    """Return one of the strings in `choices`."""
    if isinstance(value, str) and value in choices:
        return value
    raise _rejection(value, path, f"one of {', '.join(choices)}")


def optional_object(value: Any, path: str) -> Mapping[str, Any]:
    """Return an object; an empty one for null."""
    return {} if value is None else read_object(value, path)


def optional_list(value: Any, path: str) -> list[Any]:
    """Return a list; an empty one for null."""
    return [] if value is None else read_list(value, path)


def optional_text(value: Any, path: str) -> str:
    """Return a string; an empty one for null."""
    return "" if value is None else read_text(value, path)


def optional_flag(value: Any, path: str) -> bool:
    """Return a boolean; False for null."""
    return False if value is None else read_flag(value, path)


def required(fields: Mapping[str, Any], name: str, path: str) -> Any:
    """Return a member of an object that must not be missing or null.

    Args:
        path: the path of the member.
    """
    value = fields.get(name)
    if value is None:
        raise missing(path)
    return value


def _rejection(value: Any, path: str, accepted: str) -> MappingError:
    return MappingError(path, f"must be {accepted} (got {_describe(value)})")


def _describe(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    return _KINDS.get(type(value)) or str(value)[:40]
