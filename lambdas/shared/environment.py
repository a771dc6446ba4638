"""Read environment variables, into single values and into frozen dataclasses."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Generic, TypeVar, cast

_T = TypeVar("_T")

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_VARIABLE: Final = "variable"


class EnvironmentVariableError(Exception):
    """An environment variable is missing or invalid; the message has its name and the accepted values."""


@dataclass(frozen=True, slots=True)
class Variable(Generic[_T]):
    """An environment variable.

    Attributes:
        parse: returns the value of a text, or raises ValueError with the accepted values.
        default: the text that is used if the variable is not set or empty; None if it is required.
    """

    name: str
    parse: Callable[[str], _T]
    default: str | None = None

    def read(self) -> _T:
        """Return the value.

        Raises:
            EnvironmentVariableError: the variable is missing or invalid.
        """
        text = os.environ.get(self.name, "").strip() or self.default
        if text is None:
            raise EnvironmentVariableError(f"{self.name} must be set")
        try:
            return self.parse(text)
        except ValueError as error:
            raise EnvironmentVariableError(f"{self.name} must be {error} (got {text!r})") from None


def variable(name: str, parse: Callable[[str], _T], *, default: str | None = None) -> _T:
    """Return a dataclass field whose value `read` gets from an environment variable."""
    return cast(_T, field(metadata={_VARIABLE: Variable(name, parse, default)}))


def read(settings: type[_T]) -> _T:
    """Return the settings with the values of their variables.

    Args:
        settings: a dataclass whose fields are all made by `variable`.

    Raises:
        EnvironmentVariableError: variables are missing or invalid. The message has all of them.
    """
    values: dict[str, Any] = {}
    problems = []
    for item in fields(settings):  # type: ignore[arg-type]
        try:
            values[item.name] = item.metadata[_VARIABLE].read()
        except EnvironmentVariableError as error:
            problems.append(str(error))
    if problems:
        raise EnvironmentVariableError("; ".join(problems))
    return settings(**values)


def text(value: str) -> str:
    """Accept every text."""
    return value


def flag(value: str) -> bool:
    """Accept "true" and "false"."""
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def count(value: str) -> int:
    """Accept whole numbers from 1."""
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ValueError("an integer of at least 1")
    return int(value)


def share(value: str) -> float:
    """Accept numbers from 0 to below 1."""
    if not _NUMBER.fullmatch(value) or float(value) >= 1:
        raise ValueError("a number from 0 to below 1")
    return float(value)


def matching(pattern: str, accepted: str) -> Callable[[str], str]:
    """Return a parser that accepts texts that match a regular expression as a whole."""
    compiled = re.compile(pattern)

    def parse(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(accepted)
        return value

    return parse


def list_of(
    accepted: str, parse: Callable[[str], str] = text, *, least: int = 0
) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of JSON lists of distinct, non-empty strings.

    Args:
        accepted: the accepted elements, in the plural.
        parse: the parser of an element.
        least: minimum number of elements.
    """
    at_least = f"at least {least} " if least else ""

    def parse_list(value: str) -> tuple[str, ...]:
        try:
            items = json.loads(value)
            valid = isinstance(items, list) and all(isinstance(item, str) and item for item in items)
            if not valid or not least <= len(items) == len(set(items)):
                raise ValueError
            return tuple(map(parse, items))
        except ValueError:
            raise ValueError(f"a JSON list of {at_least}distinct {accepted}") from None

    return parse_list


def map_of(accepted: str) -> Callable[[str], Mapping[str, str]]:
    """Return a parser of JSON objects whose names and values are non-empty strings.

    Args:
        accepted: the accepted names and values.
    """

    def parse_map(value: str) -> Mapping[str, str]:
        try:
            items = json.loads(value)
            if not isinstance(items, dict):
                raise ValueError
            if not all(name and isinstance(item, str) and item for name, item in items.items()):
                raise ValueError
            return items
        except ValueError:
            raise ValueError(f"a JSON object of {accepted}") from None

    return parse_map
