"""Requests for tests, and the rows of the documented tables that tests show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])


def row(first_cell: str) -> Callable[[Test], Test]:
    """Mark a test as the one that shows a row of a table in docs/streaming-api/messages.md."""

    def mark(test: Test) -> Test:
        test.__dict__.setdefault("messages_rows", []).append(first_cell)
        return test

    return mark
