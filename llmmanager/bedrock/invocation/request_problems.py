"""The report of a validation: one sentence a problem, each led by the path of its field.

A path is kept as linked pairs, `(parent, step)` with `()` for the request itself, and spelled out only for a
problem: a sound request costs no string at all.
"""

from __future__ import annotations

import json
from typing import TypeAlias

Path: TypeAlias = "tuple[()] | tuple[Path, str | int]"

MAX_PROBLEMS = 1000
MAX_SHOWN = 40


class TooManyProblems(Exception):
    """The report is full; looking further would help nobody and could exhaust memory."""


class Problems:
    """The sentences found so far, at most `MAX_PROBLEMS` of them."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, path: Path, says: str) -> None:
        """Report that the field at `path` `says` (must be..., takes..., is...).

        Raises:
            TooManyProblems: there is no room for it.
        """
        if len(self.found) == MAX_PROBLEMS:
            raise TooManyProblems
        self.found.append(f"{_spell(path)}: {says}")


def kind(value: object) -> str:
    """What a refused value is called: itself where it is a short plain one, else its type.

    Never the repr of anything else: it may be long, private, or raise.
    """
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int) and value.bit_length() <= 64:
        return repr(value)
    return type(value).__name__


def quote(text: str) -> str:
    """The beginning of `text` in double quotes and plain ASCII, fit for any log."""
    return json.dumps(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


def _spell(path: Path) -> str:
    """A path as it would be written in Python after the request: `messages[0].content[1].text`."""
    steps: list[str] = []
    while path:
        path, step = path
        if isinstance(step, str) and step.isidentifier() and len(step) <= MAX_SHOWN:
            steps.append(f".{step}")
        else:
            steps.append(f"[{quote(step) if isinstance(step, str) else step}]")
    return "".join(reversed(steps)).removeprefix(".") or "request"
