"""The report of a validation: one message for each problem, starting with the path of the field.

A path is a chain of pairs `(parent, step)`, with `()` for the request itself. It is formatted only for a
problem, so that a valid request creates no strings.
"""

from __future__ import annotations

import json
from typing import TypeAlias

Path: TypeAlias = "tuple[()] | tuple[Path, str | int]"

MAX_PROBLEMS = 1000
MAX_SHOWN = 40


class TooManyProblems(Exception):
    """The report has the maximum number of problems. Validation stops to limit memory."""


class Problems:
    """The problems found so far, at most `MAX_PROBLEMS`."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, path: Path, problem: str) -> None:
        """Report a problem of the field at `path`, such as "must be ..." or "is required".

        Raises:
            TooManyProblems: the report is full.
        """
        if len(self.found) == MAX_PROBLEMS:
            raise TooManyProblems
        self.found.append(f"{_format(path)}: {problem}")


def describe_value(value: object) -> str:
    """Return the repr of None, a bool or a short number, else the type of the value.

    The repr of other values may be long, private, or raise.
    """
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int) and value.bit_length() <= 64:
        return repr(value)
    return type(value).__name__


def quote(text: str) -> str:
    """Return the start of `text` in double quotes and ASCII, for messages and logs."""
    return json.dumps(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


def _format(path: Path) -> str:
    """Return a path in the form `messages[0].content[1].text`."""
    steps: list[str] = []
    while path:
        path, step = path
        if isinstance(step, str) and step.isidentifier() and len(step) <= MAX_SHOWN:
            steps.append(f".{step}")
        else:
            steps.append(f"[{quote(step) if isinstance(step, str) else step}]")
    return "".join(reversed(steps)).removeprefix(".") or "request"
