"""Regular expressions whose matching time is proportional to the length of the text.

Callers send patterns, and Python's `re` uses backtracking: `(a|a)*b` can take hours for 40 letters. This
module compiles a pattern to a nondeterministic automaton of limited size that reads each character once. Back
references and lookarounds need backtracking and are not supported.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_PATTERN = 500
# Repetitions are expanded: `(ab){50}` has 100 states.
MAX_STATES = 2_000
_MAX_CACHED_STEPS = 5_000

_COUNT = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}")
_ESCAPES = frozenset("dDwWsSnrtfv")

# A node is ("char", compiled class), ("at", "^" or "$"), ("cat", nodes), ("alt", nodes) or
# ("repeat", node, least, most or None).
_Node = tuple[Any, ...]


class InvalidPattern(ValueError):
    """The pattern is invalid or uses an unsupported construct; the message has the position."""


class LinearRegex:
    """A pattern of literals, `.`, classes, `\\d \\w \\s`, `^ $`, groups, `|`, `* + ? {m,n}`, leading `(?i)`.

    Raises:
        InvalidPattern: the pattern is invalid, unsupported or too large.
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
        # As in `re`, "$" also matches before a final line feed.
        ends = {len(text), len(text) - 1} if text.endswith("\n") else {len(text)}
        states = self._closure([self._start], at_start=True, at_end=0 in ends)
        for position, character in enumerate(text, start=1):
            if 0 in states:
                return True
            states = self._step(states, character, at_end=position in ends)
        return 0 in states

    def _step(self, states: frozenset[int], character: str, *, at_end: bool) -> frozenset[int]:
        key = (states, character, at_end)
        found = self._steps.get(key)
        if found is None:
            after = [self._states[number][2] for number in states if self._accepts(number, character)]
            found = self._closure([self._start, *after], at_start=False, at_end=at_end)
            if len(self._steps) >= _MAX_CACHED_STEPS:
                self._steps.clear()
            self._steps[key] = found
        return found

    def _accepts(self, number: int, character: str) -> bool:
        state = self._states[number]
        return state[0] == "char" and state[1].fullmatch(character) is not None

    def _closure(self, numbers: list[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        """Return the states that can be reached from these without reading a character."""
        seen: set[int] = set()
        pending = list(numbers)
        while pending:
            number = pending.pop()
            if number in seen:
                continue
            seen.add(number)
            match self._states[number]:
                case ("split", first, second):
                    pending += (first, second)
                case ("at", "^", after) if at_start:
                    pending.append(after)
                case ("at", "$", after) if at_end:
                    pending.append(after)
        return frozenset(number for number in seen if self._states[number][0] in ("char", "match"))

    def _add(self, *state: Any) -> int:
        if len(self._states) >= MAX_STATES:
            raise InvalidPattern(f"has too many repetitions: more than {MAX_STATES} states")
        self._states.append(state)
        return len(self._states) - 1

    def _build(self, node: _Node, after: int) -> int:
        """Add the states of a node that continues with the state `after`, and return the first one."""
        # Repetitions of an empty node add no states, but they take time.
        self._built += 1
        if self._built > 10 * MAX_STATES:
            raise InvalidPattern("has too many repetitions")
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
    position: int = 0
    flags: int = 0
    _depth: int = field(default=0, init=False)

    def parse(self) -> _Node:
        if self._take("(?i)"):
            self.flags = re.IGNORECASE
        node = self._alternatives()
        if self.position < len(self.pattern):
            raise self._error("unmatched )")
        return node

    def _alternatives(self) -> _Node:
        nodes = [("cat", list(self._sequence()))]
        while self._take("|"):
            nodes.append(("cat", list(self._sequence())))
        return nodes[0] if len(nodes) == 1 else ("alt", nodes)

    def _sequence(self) -> Iterator[_Node]:
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            node = self._atom()
            count = self._count()
            yield node if count is None else ("repeat", node, *count)

    def _atom(self) -> _Node:
        character = self.pattern[self.position]
        if character == "(":
            return self._group()
        if character == "[":
            return ("char", self._compiled(self._class_text()))
        if character in "*+?":
            raise self._error("quantifier without an expression")
        self.position += 1
        if character in "^$":
            return ("at", character)
        if character == ".":
            return ("char", self._compiled("."))
        if character == "\\":
            return ("char", self._compiled(self._escape()))
        return ("char", self._compiled(re.escape(character)))

    def _group(self) -> _Node:
        if not (self._take("(?:") or (not self.pattern.startswith("(?", self.position) and self._take("("))):
            raise self._error("groups must start with ( or (?:")
        self._depth += 1
        if self._depth > 20:
            raise self._error("groups are nested more than 20 deep")
        node = self._alternatives()
        if not self._take(")"):
            raise self._error("missing )")
        self._depth -= 1
        return node

    def _count(self) -> tuple[int, int | None] | None:
        """Return the limits of the quantifier at the current position, or None."""
        if self._take("*"):
            count: tuple[int, int | None] = (0, None)
        elif self._take("+"):
            count = (1, None)
        elif self._take("?"):
            count = (0, 1)
        elif written := _COUNT.match(self.pattern, self.position):
            least = int(written[1])
            count = (least, least if not written[2] else int(written[3]) if written[3] else None)
            if count[1] is not None and count[1] < least:
                raise self._error("the minimum exceeds the maximum")
            self.position = written.end()
        else:
            return None
        # A lazy quantifier matches the same texts.
        self._take("?")
        return count

    def _escape(self) -> str:
        character = self.pattern[self.position : self.position + 1]
        if not character or (character.isalnum() and character not in _ESCAPES):
            raise self._error(f"unsupported escape \\{character}")
        self.position += 1
        return "\\" + character

    def _class_text(self) -> str:
        start = self.position
        self.position += 1
        self._take("^")
        self._take("]")
        while self.position < len(self.pattern) and self.pattern[self.position] != "]":
            self.position += 2 if self.pattern[self.position] == "\\" else 1
        if not self._take("]"):
            raise self._error("missing ]")
        return self.pattern[start : self.position]

    def _compiled(self, one_character: str) -> re.Pattern[str]:
        try:
            with warnings.catch_warnings():
                # Python warns of nested sets, whose meaning may change in a later version.
                warnings.simplefilter("error")
                return re.compile(one_character, self.flags)
        except (re.error, Warning) as error:
            raise self._error(f"{one_character}: {error}") from None

    def _take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.position)
        if found:
            self.position += len(text)
        return found

    def _error(self, problem: str) -> InvalidPattern:
        return InvalidPattern(f"is invalid or not supported: {problem} (character {self.position})")
