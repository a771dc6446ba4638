"""The words in which Converse's shapes are written down, each with the check that it implies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from llmmanager.bedrock.invocation.request_problems import Path, Problems, kind, quote

MAX_INTEGER = 2**31 - 1
MAX_JSON_DEPTH = 100
MAX_JSON_INTEGER_BITS = 1024


class Shape(Protocol):
    """What a field may hold. A check reports all it finds, and changes nothing."""

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report whatever is wrong with `value`, which stands at `path`."""


class Leaf:
    """A shape with nothing below it: it accepts a value or does not."""

    @property
    def takes(self) -> str:
        """What is accepted, to follow "must be"."""
        raise NotImplementedError

    def accepts(self, value: object) -> bool:
        """Whether `value` is accepted."""
        raise NotImplementedError

    def shows(self, value: object) -> str:
        """What is told of a refused value."""
        return kind(value)

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report `value` if it is not accepted."""
        if not self.accepts(value):
            problems.add(path, f"must be {self.takes} (got {self.shows(value)})")


class Text(Leaf):
    """A string of `low` to `high` characters; `pattern` must match all of it and `like` says it in words.

    A refused string is shown only where it has a pattern and is not `private`: other text may be a
    prompt, and problems end up in logs.
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
    def takes(self) -> str:
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

    def shows(self, value: object) -> str:
        if not isinstance(value, str):
            return kind(value)
        return quote(value) if self.pattern and not self.private else f"{len(value)} characters"


class Choice(Leaf):
    """One of a few strings; where AWS is likely to add more (`open_ended`), any that is not a misspelling."""

    def __init__(self, *values: str, open_ended: bool = False) -> None:
        self.values = values
        self.open_ended = open_ended

    @property
    def takes(self) -> str:
        return f"one of {', '.join(self.values)}" if len(self.values) > 1 else quote(self.values[0])

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        return value in self.values or (
            self.open_ended and bool(value) and _respelled(value, self.values) is None
        )

    def shows(self, value: object) -> str:
        return quote(value) if isinstance(value, str) else kind(value)


class Integer(Leaf):
    """An int (not a bool) in a range."""

    def __init__(self, low: int, high: int = MAX_INTEGER) -> None:
        self.low = low
        self.high = high

    @property
    def takes(self) -> str:
        return f"an integer from {self.low} to {self.high}"

    def accepts(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class Number(Leaf):
    """An int, float or Decimal (not a bool, not NaN) in a range."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    @property
    def takes(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def accepts(self, value: object) -> bool:
        if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
            return False
        return not (isinstance(value, Decimal) and value.is_nan()) and self.low <= value <= self.high


class Flag(Leaf):
    """True or False."""

    takes = "True or False"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


class Blob(Leaf):
    """Raw bytes of a size in a range. The bytes are measured where they are."""

    def __init__(self, low: int = 0, high: int | None = None) -> None:
        self.low = low
        self.high = high

    @property
    def takes(self) -> str:
        return " ".join([*_range(self.low, self.high), "raw bytes, as bytes, bytearray or memoryview"])

    def accepts(self, value: object) -> bool:
        size = size_of(value)
        return size is not None and self.low <= size and (self.high is None or size <= self.high)

    def shows(self, value: object) -> str:
        if isinstance(value, str):
            return "str: if it is base64, decode it first"
        size = size_of(value)
        return kind(value) if size is None else f"{size} bytes"


class Absent:
    """A member that must not be given here."""

    def __init__(self, because: str) -> None:
        self.because = because

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report the member, whatever it holds."""
        problems.add(path, f"must be left out: {self.because} (got {kind(value)})")


class JsonObject:
    """A dict of what JSON can say: string keys; dict, list, str, int, finite float, bool and None below."""

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report everything in `value` that has no JSON form."""
        if isinstance(value, dict):
            _JsonWalk(problems).visit(value, path)
        else:
            problems.add(path, f"must be a JSON object, a dict (got {kind(value)})")


class _JsonWalk:
    """One pass over a JSON document that ends even if containers are shared or hold themselves."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.above: set[int] = set()
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
            takes = "dict, list, str, int, float, bool or None"
            self.problems.add(path, f"must be a JSON value: {takes} (got {kind(value)})")
        elif value.bit_length() > MAX_JSON_INTEGER_BITS:
            self.problems.add(path, f"must be an integer of at most {MAX_JSON_INTEGER_BITS} bits")

    def _enter(self, value: dict[object, object] | list[object], path: Path) -> None:
        me = id(value)
        if me in self.above:
            self.problems.add(path, "must not contain itself")
        elif len(self.above) == MAX_JSON_DEPTH:
            self.problems.add(path, f"must be nested at most {MAX_JSON_DEPTH} levels deep")
        elif me not in self.done:
            self.above.add(me)
            if isinstance(value, dict):
                self._visit_members(value, path)
            else:
                for index, item in enumerate(value):
                    self.visit(item, (path, index))
            self.above.remove(me)
            self.done.add(me)

    def _visit_members(self, value: dict[object, object], path: Path) -> None:
        for key, item in value.items():
            if isinstance(key, str):
                self.visit(item, (path, key))
            else:
                self.problems.add(path, f"takes only strings as keys (got {kind(key)})")


class ListOf:
    """A list (or tuple) of `low` to `high` items; `of` names them."""

    def __init__(self, item: Shape, of: str, low: int = 0, high: int | None = None) -> None:
        self.item = item
        self.of = of
        self.low = low
        self.high = high

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or length, and what is wrong with each item."""
        if not isinstance(value, (list, tuple)):
            problems.add(path, f"must be {self._takes()} (got {kind(value)})")
            return
        if not _within(len(value), self.low, self.high):
            problems.add(path, f"must be {self._takes()} (got {len(value)})")
        check = self.item.check
        for index, item in enumerate(value):
            check(item, (path, index), problems)

    def _takes(self) -> str:
        return " ".join(("a list of", *_range(self.low, self.high), self.of))


class MapOf:
    """A dict of `low` to `high` entries whose keys the caller chooses."""

    def __init__(self, key: Text, value: Shape, low: int = 0, high: int | None = None) -> None:
        self.key = key
        self.value = value
        self.low = low
        self.high = high

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or size, and what is wrong with each key and value."""
        if not isinstance(value, dict):
            problems.add(path, f"must be {self._takes()} (got {kind(value)})")
            return
        if not _within(len(value), self.low, self.high):
            problems.add(path, f"must be {self._takes()} (got {len(value)})")
        for key, item in value.items():
            if self.key.accepts(key):
                self.value.check(item, (path, key), problems)
            else:
                problems.add(path, f"each key must be {self.key.takes} (got {self.key.shows(key)})")

    def _takes(self) -> str:
        return " ".join(("a dict of", *_range(self.low, self.high), "entries"))


class Struct:
    """A dict with known members, written `{"name*": shape, "other": shape}` where * means required.

    A member not known here passes, for AWS adds them; a known one in another spelling does not.
    """

    def __init__(self, members: Mapping[str, Shape]) -> None:
        self.members = {name.rstrip("*"): shape for name, shape in members.items()}
        self.required = tuple(name.rstrip("*") for name in members if name.endswith("*"))

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type, missing or misspelt members, and what is wrong with each known one."""
        if not isinstance(value, dict):
            problems.add(path, f"must be a dict{self._such_as()} (got {kind(value)})")
            return
        for name in self.required:
            if name not in value:
                problems.add((path, name), "is required")
        _check_members(self.members, value, path, problems)

    def _such_as(self) -> str:
        return f" with {' and '.join(self.required)}" if self.required else ""


class Union:
    """A dict with exactly one member, known or new."""

    def __init__(self, members: Mapping[str, Shape]) -> None:
        self.members = members

    def check(self, value: object, path: Path, problems: Problems) -> None:
        """Report a wrong type or number of members, and what is wrong with those that are known."""
        if not isinstance(value, dict):
            problems.add(path, f"must be a dict with {self._takes()} (got {kind(value)})")
            return
        if len(value) != 1:
            given = ", ".join(quote(name) if isinstance(name, str) else kind(name) for name in value)
            problems.add(path, f"must hold {self._takes()} (got {given or 'none'})")
        _check_members(self.members, value, path, problems)

    def _takes(self) -> str:
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
            problems.add(path, f"takes only strings as member names (got {kind(name)})")
        elif (meant := _respelled(name, members)) is not None:
            problems.add((path, name), f"must be spelled {quote(meant)}")


def _within(count: int, low: int, high: int | None) -> bool:
    return low <= count and (high is None or count <= high)


def _range(low: int, high: int | None) -> tuple[str, ...]:
    """The words for it, none where anything goes."""
    if high is None:
        return (f"{low} or more",) if low else ()
    return (f"{low} to {high}" if low else f"at most {high}",)


def _respelled(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is but for case, underscores and dashes."""
    plain = _plain(name)
    return next((candidate for candidate in known if _plain(candidate) == plain), None)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def size_of(value: object) -> int | None:
    """Return the size in bytes of a value that holds raw bytes; None for any other value."""
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    return value.nbytes if isinstance(value, memoryview) else None
