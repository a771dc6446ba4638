"""Marks tests with the rows of the documented tables that they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])


def row(first_cell: str) -> Callable[[Test], Test]:
    """Mark a test as the one that shows a row of a table on the page of its API in docs/streaming-api."""

    def mark(test: Test) -> Test:
        test.__dict__.setdefault("rows", []).append(first_cell)
        return test

    return mark
