"""The kinds of values that settings have. Each reads and checks a value of the CDK context."""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

_T_co = TypeVar("_T_co", covariant=True)

_INTEGER: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)
# How similar an unknown key of the context must be to a setting to be its misspelling (1: equal).
_MISSPELT: Final = 0.75


class SettingsError(ValueError):
    """A setting is invalid. The message has its name, the given value and the accepted values."""

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f'Setting "{key}" is {value!r}: {problem}')
        self.key = key

    @classmethod
    def expected(cls, key: str, value: object, expected: str) -> SettingsError:
        """Return the error for a value that is not accepted."""
        return cls(key, value, f"expected {expected}")


class ValueKind(Protocol[_T_co]):
    """A kind of value."""

    @property
    def summary(self) -> str:
        """The accepted values, for the table of settings."""
        ...

    def read(self, key: str, value: object) -> _T_co:
        """Return the value of the setting `key`, which can be a string of the command line.

        Raises:
            SettingsError: the value is not accepted.
        """
        ...


@dataclass(frozen=True)
class IntegerKind:
    """A whole number from `low` to `high`."""

    low: int
    high: int
    unit: str = ""

    @property
    def summary(self) -> str:
        return f"{self.low} to {self.high}" + (f" {self.unit}" if self.unit else "")

    def read(self, key: str, value: object) -> int:
        number = value.strip() if isinstance(value, str) else value
        if isinstance(number, str) and _INTEGER.fullmatch(number):
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool) or not self.low <= number <= self.high:
            unit = f" ({self.unit})" if self.unit else ""
            raise SettingsError.expected(key, value, f"a whole number from {self.low} to {self.high}{unit}")
        return number


@dataclass(frozen=True)
class IntegerChoiceKind:
    """One of some whole numbers in ascending order."""

    what: str
    numbers: tuple[int, ...]
    unit: str

    @property
    def summary(self) -> str:
        return f"{self.what}: {self._list()}"

    def read(self, key: str, value: object) -> int:
        number = IntegerKind(self.numbers[0], self.numbers[-1], self.unit).read(key, value)
        if number not in self.numbers:
            raise SettingsError.expected(key, value, f"{self.what}: {self._list()}")
        return number

    def _list(self) -> str:
        return f"{', '.join(map(str, self.numbers))} {self.unit}"


@dataclass(frozen=True)
class ShareKind:
    """A number from 0 to `high`."""

    high: float

    @property
    def summary(self) -> str:
        return f"0 to {self.high}"

    def read(self, key: str, value: object) -> float:
        share = value
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                share = float(value)
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= self.high:
            raise SettingsError.expected(key, value, f"a number from 0 to {self.high}")
        return float(share)


@dataclass(frozen=True)
class FlagKind:
    """True or false."""

    summary = "`true`, `false`"

    def read(self, key: str, value: object) -> bool:
        text = value.strip().lower() if isinstance(value, str) else value
        flag = {"true": True, "false": False}.get(text) if isinstance(text, str) else text
        if not isinstance(flag, bool):
            raise SettingsError.expected(key, value, "true or false")
        return flag


@dataclass(frozen=True)
class ChoiceKind:
    """One of some words."""

    choices: tuple[str, ...]

    @property
    def summary(self) -> str:
        return ", ".join(f"`{choice}`" for choice in self.choices)

    def read(self, key: str, value: object) -> str:
        text = value.strip() if isinstance(value, str) else value
        if not isinstance(text, str) or text not in self.choices:
            expected = " or ".join(f'"{choice}"' for choice in self.choices)
            raise SettingsError.expected(key, value, expected)
        return text


@dataclass(frozen=True)
class TextKind:
    """A string that fulfils a condition.

    Attributes:
        summary: the accepted values.
        accepts: whether a string without surrounding spaces is valid.
        details: an example or the format, for the error.
        empty: the meaning of an empty string; None if it is not accepted.
    """

    summary: str
    accepts: Callable[[str], object]
    details: str
    empty: str | None = None

    def read(self, key: str, value: object) -> str:
        text = value.strip() if isinstance(value, str) else None
        if text is None or not (self.accepts(text) or (text == "" and self.empty is not None)):
            or_empty = "" if self.empty is None else f', or "" for {self.empty}'
            raise SettingsError.expected(key, value, f"{self.summary}, {self.details}{or_empty}")
        return text


@dataclass(frozen=True)
class BaseUrlKind:
    """An HTTP address without path, or an empty string. A slash at its end is removed.

    Attributes:
        empty: the meaning of an empty string.
    """

    empty: str
    summary = "an http:// or https:// address without path"

    def read(self, key: str, value: object) -> str:
        text = TextKind(self.summary, _is_base_url, 'such as "http://127.0.0.1:8080"', empty=self.empty)
        return text.read(key, value).rstrip("/")


@dataclass(frozen=True)
class NamesKind:
    """A list of distinct strings that each fulfil a condition.

    Attributes:
        summary: the accepted values.
        accepts: whether a string without surrounding spaces is valid.
        details: an example or the format of an element, for the error.
        required: whether the list must have an element.
    """

    summary: str
    accepts: Callable[[str], object]
    details: str
    required: bool = False

    def read(self, key: str, value: object) -> tuple[str, ...]:
        expected = f"{self.summary}, {self.details}, as a JSON list or separated by commas"
        items = _split(value) if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise SettingsError.expected(key, value, expected)
        names = tuple(item.strip() for item in items)
        if self.required and not names:
            raise SettingsError.expected(key, value, expected)
        if not all(names):
            raise SettingsError.expected(key, value, f"{expected}, without empty entries")
        if len(set(names)) < len(names):
            raise SettingsError.expected(key, value, f"{expected}, without duplicates")
        invalid = [name for name in names if not self.accepts(name)]
        if invalid:
            raise SettingsError.expected(key, ", ".join(invalid), expected)
        return names


@dataclass(frozen=True)
class TextMapKind:
    """Texts by name. A string of the command line is JSON.

    Attributes:
        summary: the accepted values.
        accepts: whether a name is valid.
        details: the format of a name and an example, for the error.
    """

    summary: str
    accepts: Callable[[str], object]
    details: str

    def read(self, key: str, value: object) -> Mapping[str, str]:
        expected = f"{self.summary}, {self.details}"
        given = value
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                given = json.loads(value) if value.strip() else {}
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            raise SettingsError.expected(key, value, expected)
        invalid = [name for name in given if not self.accepts(name)]
        if invalid:
            raise SettingsError.expected(key, ", ".join(invalid), expected)
        return {name: text.strip() for name, text in given.items()}


def matches(pattern: str) -> Callable[[str], object]:
    """Return a condition: the whole string matches the regular expression."""
    return re.compile(pattern, re.ASCII).fullmatch


def is_origin(text: str) -> bool:
    """Whether the text is the origin of a web page as browsers send it, or "*" for all origins."""
    host = r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])"
    return text == "*" or bool(re.fullmatch(rf"[a-z][a-z0-9+.-]*://{host}(?::\d{{1,5}})?", text, re.ASCII))


def is_bucket_name(name: str) -> bool:
    """Whether S3 accepts the name for a bucket."""
    if not re.fullmatch(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name, re.ASCII):
        return False
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return True
    return False


def check_spelling(context: Mapping[str, object], known: Collection[str]) -> None:
    """Raise SettingsError for a key similar to a known setting, which would silently have no effect."""
    for key, value in context.items():
        similar = difflib.get_close_matches(key, known, n=1, cutoff=_MISSPELT)
        if key not in known and similar:
            raise SettingsError(key, value, f'unknown setting. Did you mean "{similar[0]}"?')


def _split(text: str) -> object:
    """Parse a list from the command line: JSON or comma-separated; return None for invalid JSON."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return None
    return text.split(",") if text.strip() else []


def _is_base_url(text: str) -> bool:
    """Whether the text is an HTTP address of a host, without credentials, path and query."""
    try:
        parts = urlsplit(text)
        bare = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and bare
    except ValueError:
        return False
