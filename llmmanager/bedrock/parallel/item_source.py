"""The items of a run, in the order in which they start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ItemSource(Generic[T, R]):
    """Items that all may start at once, in the given order. Subclasses can let some of them wait.

    Used by one thread.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)

    def take(self) -> T | None:
        """Return the next item that may start now; None if there is none."""
        return next(self._items, None)

    def ended(self, item: T, result: R) -> None:
        """Called with the result of an item. Others may start then."""

    def seconds_until_next(self) -> float | None:
        """Return when a waiting item may start, in seconds; None if it waits for the end of another."""
        return None
