"""How tests wait: for a condition, never for a length of time.

A busy machine needs minutes for what takes a second on an idle one. A test that measures time fails there
although nothing is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llmmanager import Deadline

PATIENCE_SECONDS = 300.0
"""Bounds every wait, so that a hang ends. No correct run comes near it on any machine."""

SILENCE_SECONDS = 0.2
"""Read timeout for a server that never answers. Never use it where an answer may come."""


def wait_until(condition: Callable[[], object], what: str = "the condition") -> Any:
    """Return the first true value of `condition`.

    Raises:
        AssertionError: it has none within `PATIENCE_SECONDS`.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < give_up, f"{what} did not become true in {PATIENCE_SECONDS:.0f} s"
        time.sleep(0.01)
    return value


class DeadlineWhen(Deadline):
    """A deadline that is a minute away until a condition is true; then it has passed."""

    def __init__(self, passed: Callable[[], object]) -> None:
        object.__setattr__(self, "_passed", passed)

    @property
    def at(self) -> float:  # type: ignore[override]
        return time.monotonic() + self.remaining()

    def remaining(self) -> float:
        return -1.0 if self._passed() else 60.0  # type: ignore[attr-defined]
