"""Regular expressions whose time is proportional to the text, whatever the pattern.

Callers send patterns, and Python's `re` backtracks: `(a|a)*b` over 40 letters keeps it busy for hours. Here a
pattern becomes a nondeterministic automaton of bounded size that reads each character once. What needs
backtracking (back references, looking around) is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_PATTERN = 500
# Repetitions are written out: `(ab){50}` has 100 states.
MAX_STATES = 2_000
_MAX_REMEMBERED = 5_000

_COUNT = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}")
_ESCAPES = frozenset("dDwWsSnrtfv")

# A node is ("char", compiled class), ("at", "^" or "$"), ("cat", nodes), ("alt", nodes) or
# ("repeat", node, least, most or None).
_Node = tuple[Any, ...]


class InvalidPattern(ValueError):
    """The pattern is none, or one that is not taken; the message says where."""


class LinearRegex:
    """A pattern: literals, `.`, classes, `\\d \\w \\s`, `^ $`, groups, `|`, `* + ? {m,n}`, `(?i)` in front.

    Raises:
        InvalidPattern: it is something else, or too large.
    """

    def __init__(self, pattern: str) -> None:
        if not 0 < len(pattern) <= MAX_PATTERN:
            raise InvalidPattern(f"must be 1 to {MAX_PATTERN} characters long")
        parser = _Parser(pattern)
        self._states: list[tuple[Any, ...]] = [("match",)]
        self._built = 0
        self._start = self._build(parser.parse(), 0)
        self._steps: dict[tuple[frozenset[int], str, bool], frozenset[int]] = {}

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        # As in `re`, "$" is before a line feed at the very end as well.
        ends = {len(text), len(text) - 1} if text.endswith("\n") else {len(text)}
        states = self._closure([self._start], at_start=True, at_end=0 in ends)
        for place, character in enumerate(text, start=1):
            if 0 in states:
                return True
            states = self._step(states, character, at_end=place in ends)
        return 0 in states

    def _step(self, states: frozenset[int], character: str, *, at_end: bool) -> frozenset[int]:
        key = (states, character, at_end)
        found = self._steps.get(key)
        if found is None:
            after = [self._states[number][2] for number in states if self._accepts(number, character)]
            found = self._closure([self._start, *after], at_start=False, at_end=at_end)
            if len(self._steps) >= _MAX_REMEMBERED:
                self._steps.clear()
            self._steps[key] = found
        return found

    def _accepts(self, number: int, character: str) -> bool:
        state = self._states[number]
        return state[0] == "char" and state[1].fullmatch(character) is not None

    def _closure(self, numbers: list[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        """The states that can be reached from these without reading."""
        seen: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            match self._states[number]:
                case ("split", first, second):
                    waiting += (first, second)
                case ("at", "^", after) if at_start:
                    waiting.append(after)
                case ("at", "$", after) if at_end:
                    waiting.append(after)
        return frozenset(number for number in seen if self._states[number][0] in ("char", "match"))

    def _add(self, *state: Any) -> int:
        if len(self._states) >= MAX_STATES:
            raise InvalidPattern(f"repeats too much: more than {MAX_STATES} states")
        self._states.append(state)
        return len(self._states) - 1

    def _build(self, node: _Node, after: int) -> int:
        """The first state of a node that goes on with the state `after`."""
        # Repeating what is empty adds no state, but takes time all the same.
        self._built += 1
        if self._built > 10 * MAX_STATES:
            raise InvalidPattern("repeats too much")
        match node:
            case ("cat", nodes):
                for part in reversed(nodes):
                    after = self._build(part, after)
                return after
            case ("alt", nodes):
                first, *others = [self._build(part, after) for part in nodes]
                for other in others:
                    first = self._add("split", first, other)
                return first
            case ("repeat", part, least, most):
                return self._build_repeat(part, least, most, after=after)
        return self._add(*node, after)

    def _build_repeat(self, part: _Node, least: int, most: int | None, *, after: int) -> int:
        if most is None:
            loop = self._add("split", after, after)
            self._states[loop] = ("split", self._build(part, loop), after)
            after = loop
        else:
            end = after
            for _ in range(most - least):
                after = self._add("split", self._build(part, after), end)
        for _ in range(least):
            after = self._build(part, after)
        return after


@dataclass
class _Parser:
    pattern: str
    place: int = 0
    flags: int = 0
    _depth: int = field(default=0, init=False)

    def parse(self) -> _Node:
        if self._take("(?i)"):
            self.flags = re.IGNORECASE
        node = self._alternatives()
        if self.place < len(self.pattern):
            raise self._error("closes no group")
        return node

    def _alternatives(self) -> _Node:
        nodes = [("cat", list(self._sequence()))]
        while self._take("|"):
            nodes.append(("cat", list(self._sequence())))
        return nodes[0] if len(nodes) == 1 else ("alt", nodes)

    def _sequence(self) -> Iterator[_Node]:
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            node = self._atom()
            count = self._count()
            yield node if count is None else ("repeat", node, *count)

    def _atom(self) -> _Node:
        character = self.pattern[self.place]
        if character == "(":
            return self._group()
        if character == "[":
            return ("char", self._compiled(self._class_text()))
        if character in "*+?":
            raise self._error("repeats nothing, or a repetition")
        self.place += 1
        if character in "^$":
            return ("at", character)
        if character == ".":
            return ("char", self._compiled("."))
        if character == "\\":
            return ("char", self._compiled(self._escape()))
        return ("char", self._compiled(re.escape(character)))

    def _group(self) -> _Node:
        if not (self._take("(?:") or (not self.pattern.startswith("(?", self.place) and self._take("("))):
            raise self._error("only ( and (?: begin a group")
        self._depth += 1
        if self._depth > 20:
            raise self._error("groups are nested more than 20 deep")
        node = self._alternatives()
        if not self._take(")"):
            raise self._error("a group is not closed")
        self._depth -= 1
        return node

    def _count(self) -> tuple[int, int | None] | None:
        """How often the node before is repeated; None for a node without a quantifier."""
        if self._take("*"):
            count: tuple[int, int | None] = (0, None)
        elif self._take("+"):
            count = (1, None)
        elif self._take("?"):
            count = (0, 1)
        elif written := _COUNT.match(self.pattern, self.place):
            least = int(written[1])
            count = (least, least if not written[2] else int(written[3]) if written[3] else None)
            if count[1] is not None and count[1] < least:
                raise self._error("the larger number comes second")
            self.place = written.end()
        else:
            return None
        # Lazy or not, the same texts match.
        self._take("?")
        return count

    def _escape(self) -> str:
        character = self.pattern[self.place : self.place + 1]
        if not character or (character.isalnum() and character not in _ESCAPES):
            raise self._error(f"the escape \\{character} is not taken")
        self.place += 1
        return "\\" + character

    def _class_text(self) -> str:
        start = self.place
        self.place += 1
        self._take("^")
        self._take("]")
        while self.place < len(self.pattern) and self.pattern[self.place] != "]":
            self.place += 2 if self.pattern[self.place] == "\\" else 1
        if not self._take("]"):
            raise self._error("a class [ is not closed")
        return self.pattern[start : self.place]

    def _compiled(self, one_character: str) -> re.Pattern[str]:
        try:
            with warnings.catch_warnings():
                # About sets within sets, which a later Python may read otherwise.
                warnings.simplefilter("error")
                return re.compile(one_character, self.flags)
        except (re.error, Warning) as error:
            raise self._error(f"{one_character}: {error}") from None

    def _take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.place)
        if found:
            self.place += len(text)
        return found

    def _error(self, problem: str) -> InvalidPattern:
        return InvalidPattern(f"is not a pattern that is taken: {problem} (character {self.place})")
