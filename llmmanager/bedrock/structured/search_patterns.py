"""The patterns of JSON schemas, and how they are compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeAlias


class SearchPattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str, /) -> object:
        """Return a true value if the pattern matches anywhere in the text."""


Patterns: TypeAlias = Callable[[str], SearchPattern]
"""Compiles a pattern. Raises ValueError, with the reason, for a pattern that is invalid or not supported."""


def backtracking_pattern(pattern: str) -> SearchPattern:
    """Return a pattern of Python's `re`, for the schemas of this program.

    Raises:
        ValueError: the pattern is invalid.
    """
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is invalid: {error}") from None
