"""The types of Converse's schema, each with its validation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from llmmanager.bedrock.validation.request_problems import Path, Problems, describe_value, quote

MAX_INTEGER = 2**31 - 1
MAX_JSON_DEPTH = 100
MAX_JSON_INTEGER_BITS = 1024


class Shape(Protocol):
    """The type of a field. A check reports all problems and does not change the value."""

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report the problems of `value`, the field at `path`."""


class Leaf:
    """A type without members: it accepts or rejects a value."""

    @property
    def accepted(self) -> str:
        """The accepted values, as the continuation of "must be"."""
        raise NotImplementedError

    def accepts(self, value: object) -> bool:
        """Whether `value` is accepted."""
        raise NotImplementedError

    def describe(self, value: object) -> str:
        """Return how an error message describes a rejected value."""
        return describe_value(value)

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report `value` if it is not accepted."""
        if not self.accepts(value):
            problems.add(path, f"must be {self.accepted} (got {self.describe(value)})")


class Text(Leaf):
    """A string of `low` to `high` characters that matches `pattern` completely; `like` describes the pattern.

    An error message shows a rejected string only if it has a pattern and is not `private`: other text may be
    a prompt, and messages are logged.
    """

    def __init__(
        self,
        low: int = 0,
        high: int | None = None,
        pattern: str | None = None,
        like: str | None = None,
        *,
        private: bool = False,
    ) -> None:
        self.low = low
        self.high = high
        self.pattern = pattern
        self.like = like
        self.private = private

    @property
    def accepted(self) -> str:
        length = [f"of {words} characters" for words in _range(self.low, self.high)]
        like = [f"({self.like})"] if self.like else []
        return " ".join(["a string", *length, *like])

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and self.low <= len(value)
            and (self.high is None or len(value) <= self.high)
            and (self.pattern is None or re.fullmatch(self.pattern, value, re.ASCII) is not None)
        )

    def describe(self, value: object) -> str:
        if not isinstance(value, str):
            return describe_value(value)
        return quote(value) if self.pattern and not self.private else f"{len(value)} characters"


class Choice(Leaf):
    """One of the given strings. `open_ended` also accepts new values, but no misspelling of a known one."""

    def __init__(self, *values: str, open_ended: bool = False) -> None:
        self.values = values
        self.open_ended = open_ended

    @property
    def accepted(self) -> str:
        return f"one of {', '.join(self.values)}" if len(self.values) > 1 else quote(self.values[0])

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        return value in self.values or (
            self.open_ended and bool(value) and _correct_spelling(value, self.values) is None
        )

    def describe(self, value: object) -> str:
        return quote(value) if isinstance(value, str) else describe_value(value)


class Integer(Leaf):
    """An int (not a bool) in a range."""

    def __init__(self, low: int, high: int = MAX_INTEGER) -> None:
        self.low = low
        self.high = high

    @property
    def accepted(self) -> str:
        return f"an integer from {self.low} to {self.high}"

    def accepts(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class Number(Leaf):
    """An int, float or Decimal (not a bool, not NaN) in a range."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    @property
    def accepted(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def accepts(self, value: object) -> bool:
        if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
            return False
        return not (isinstance(value, Decimal) and value.is_nan()) and self.low <= value <= self.high


class Flag(Leaf):
    """True or False."""

    accepted = "True or False"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


class Blob(Leaf):
    """Raw bytes with a size in a range. The bytes are not copied."""

    def __init__(self, low: int = 0, high: int | None = None) -> None:
        self.low = low
        self.high = high

    @property
    def accepted(self) -> str:
        return " ".join([*_range(self.low, self.high), "raw bytes, as bytes, bytearray or memoryview"])

    def accepts(self, value: object) -> bool:
        size = size_of(value)
        return size is not None and self.low <= size and (self.high is None or size <= self.high)

    def describe(self, value: object) -> str:
        if isinstance(value, str):
            return "str: if it is base64, decode it first"
        size = size_of(value)
        return describe_value(value) if size is None else f"{size} bytes"


class Forbidden:
    """A member that must be omitted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report the member."""
        problems.add(path, f"must be omitted: {self.reason} (got {describe_value(value)})")


class JsonObject:
    """A dict with string keys and JSON values: dict, list, str, int, finite float, bool or None."""

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report everything in `value` that is not valid JSON."""
        if isinstance(value, dict):
            _JsonValidator(problems).visit(value, path)
        else:
            problems.add(path, f"must be a JSON object (a dict) (got {describe_value(value)})")


class _JsonValidator:
    """Visits a JSON document. Supports shared containers and reports containers that contain themselves."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.open: set[int] = set()
        self.done: set[int] = set()

    def visit(self, value: object, path: Path) -> None:
        if value is None or isinstance(value, (str, bool)):
            return
        if isinstance(value, (dict, list)):
            self._enter(value, path)
        elif isinstance(value, float):
            if not math.isfinite(value):
                self.problems.add(path, f"must be a finite number (got {value!r})")
        elif not isinstance(value, int):
            accepted = "dict, list, str, int, float, bool or None"
            self.problems.add(path, f"must be a JSON value: {accepted} (got {describe_value(value)})")
        elif value.bit_length() > MAX_JSON_INTEGER_BITS:
            self.problems.add(path, f"must be an integer of at most {MAX_JSON_INTEGER_BITS} bits")

    def _enter(self, value: dict[object, object] | list[object], path: Path) -> None:
        identity = id(value)
        if identity in self.open:
            self.problems.add(path, "must not contain itself")
        elif len(self.open) == MAX_JSON_DEPTH:
            self.problems.add(path, f"must be nested at most {MAX_JSON_DEPTH} levels deep")
        elif identity not in self.done:
            self.open.add(identity)
            if isinstance(value, dict):
                self._visit_members(value, path)
            else:
                for index, item in enumerate(value):
                    self.visit(item, (path, index))
            self.open.remove(identity)
            self.done.add(identity)

    def _visit_members(self, value: dict[object, object], path: Path) -> None:
        for key, item in value.items():
            if isinstance(key, str):
                self.visit(item, (path, key))
            else:
                self.problems.add(path, f"keys must be strings (got {describe_value(key)})")


class ListOf:
    """A list (or tuple) of `low` to `high` items.

    Args:
        noun: the plural used in error messages.
        text_form: how to write a text as such a list, for the error of a string.
    """

    def __init__(
        self, item: Shape, noun: str, low: int = 0, high: int | None = None, *, text_form: str = ""
    ) -> None:
        self.item = item
        self.text_form = text_form
        self.noun = noun
        self.low = low
        self.high = high

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or length, and the problems of each item."""
        if not isinstance(value, (list, tuple)):
            advice = f": use {self.text_form}" if self.text_form and isinstance(value, str) else ""
            problems.add(path, f"must be {self._accepted()} (got {describe_value(value)}{advice})")
            return
        if not _within(len(value), self.low, self.high):
            problems.add(path, f"must be {self._accepted()} (got {len(value)})")
        check = self.item.check
        for index, item in enumerate(value):
            check(item, (path, index), problems)

    def _accepted(self) -> str:
        return " ".join(("a list of", *_range(self.low, self.high), self.noun))


class MapOf:
    """A dict of `low` to `high` entries with keys chosen by the caller."""

    def __init__(self, key: Text, value: Shape, low: int = 0, high: int | None = None) -> None:
        self.key = key
        self.value = value
        self.low = low
        self.high = high

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or size, and the problems of each key and value."""
        if not isinstance(value, dict):
            problems.add(path, f"must be {self._accepted()} (got {describe_value(value)})")
            return
        if not _within(len(value), self.low, self.high):
            problems.add(path, f"must be {self._accepted()} (got {len(value)})")
        for key, item in value.items():
            if self.key.accepts(key):
                self.value.check(item, (path, key), problems)
            else:
                problems.add(path, f"each key must be {self.key.accepted} (got {self.key.describe(key)})")

    def _accepted(self) -> str:
        return " ".join(("a dict of", *_range(self.low, self.high), "entries"))


class Struct:
    """A dict with known members, defined as `{"name*": shape, "other": shape}`. A * marks a required member.

    An unknown member is accepted, since AWS may add it. A misspelled known member is rejected.
    """

    def __init__(self, members: Mapping[str, Shape]) -> None:
        self.members = {name.rstrip("*"): shape for name, shape in members.items()}
        self.required = tuple(name.rstrip("*") for name in members if name.endswith("*"))

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type, missing or misspelled members, and the problems of each known member."""
        if not isinstance(value, dict):
            problems.add(path, f"must be a dict{self._such_as()} (got {describe_value(value)})")
            return
        for name in self.required:
            if name not in value:
                problems.add((path, name), "is required")
        _check_members(self.members, value, path, problems)

    def _such_as(self) -> str:
        return f" with {' and '.join(self.required)}" if self.required else ""


class Union:
    """A dict with exactly one member, known or unknown."""

    def __init__(self, members: Mapping[str, Shape]) -> None:
        self.members = members

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or number of members, and the problems of the known members."""
        if not isinstance(value, dict):
            problems.add(path, f"must be a dict with {self._accepted()} (got {describe_value(value)})")
            return
        if len(value) != 1:
            given = ", ".join(
                quote(name) if isinstance(name, str) else describe_value(name) for name in value
            )
            problems.add(path, f"must contain {self._accepted()} (got {given or 'none'})")
        _check_members(self.members, value, path, problems)

    def _accepted(self) -> str:
        return (
            f"exactly one of {', '.join(self.members)}" if len(self.members) > 1 else next(iter(self.members))
        )


def _check_members(
    members: Mapping[str, Shape], value: dict[str, object], path: Path, problems: Problems
) -> None:
    for name, member in value.items():
        shape = members.get(name)
        if shape is not None:
            shape.check(member, (path, name), problems)
        elif not isinstance(name, str):
            problems.add(path, f"member names must be strings (got {describe_value(name)})")
        elif (correct := _correct_spelling(name, members)) is not None:
            problems.add((path, name), f"must be spelled {quote(correct)}")


def _within(count: int, low: int, high: int | None) -> bool:
    return low <= count and (high is None or count <= high)


def _range(low: int, high: int | None) -> tuple[str, ...]:
    """Return a phrase for the range as a tuple, empty for an unlimited range."""
    if high is None:
        return (f"{low} or more",) if low else ()
    return (f"{low} to {high}" if low else f"at most {high}",)


def _correct_spelling(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from `name` only in case, underscores and dashes, or None."""
    plain = _plain(name)
    return next((candidate for candidate in known if _plain(candidate) == plain), None)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def size_of(value: object) -> int | None:
    """Return the size of raw bytes, or None for a value of another type."""
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    return value.nbytes if isinstance(value, memoryview) else None
