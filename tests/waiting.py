"""Waiting in tests: for a condition, never for a fixed time.

On a busy machine, an operation of one second can take minutes. A test that measures time fails there although
the code is correct.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from datetime import time as time_of_day
from typing import Any

from llmmanager import Deadline
from llmmanager.testing import FakeBedrock

PATIENCE_SECONDS = 300.0
"""Limit of every wait, so that a hang ends. Far longer than any correct run on any machine."""

SILENCE_SECONDS = 0.2
"""Read timeout for a server that never answers. Do not use it where an answer can arrive."""


def wait_until(condition: Callable[[], object], what: str = "the condition", *, every: float = 0.01) -> Any:
    """Return the first true value of `condition`.

    Args:
        every: seconds between two checks. A check that calls a server is made less often.

    Raises:
        AssertionError: the condition is not true within `PATIENCE_SECONDS`.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < give_up, f"{what} did not become true in {PATIENCE_SECONDS:.0f} s"
        time.sleep(every)
    return value


def wait_for_next_day_in_last_minute() -> None:
    """Return at once, except in the last minute of a day in UTC: then return when the next day begins."""
    last_minute = time_of_day(23, 59)
    wait_until(lambda: datetime.now(UTC).time() < last_minute, "the next day", every=0.5)


def wait_until_quiet(bedrock: FakeBedrock, seconds: float = 3.0) -> None:
    """Wait until FakeBedrock has not been called for some seconds.

    For work whose end nothing reports: the emulator's loop over shards continues when its execution is
    stopped.
    """

    def is_quiet() -> bool:
        before = len(bedrock.calls)
        time.sleep(seconds)
        return len(bedrock.calls) == before and not any(call.in_flight for call in bedrock.calls)

    wait_until(is_quiet, "silence")


class DeadlineWhen(Deadline):
    """A deadline that is 60 s away until a condition is true, and then has passed."""

    def __init__(self, passed: Callable[[], object]) -> None:
        object.__setattr__(self, "_passed", passed)

    @property
    def at(self) -> float:  # type: ignore[override]
        return time.monotonic() + self.remaining()

    def remaining(self) -> float:
        return -1.0 if self._passed() else 60.0  # type: ignore[attr-defined]
