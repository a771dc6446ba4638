"""A moment by which a call must have ended."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError


@dataclass(frozen=True)
class Deadline:
    """An absolute moment on the monotonic clock (`time.monotonic()`), in seconds.

    Hand the same one to several calls and they share what is left.
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment `seconds` from now.

        Raises:
            ConfigurationError: not a number.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
            raise ConfigurationError(f"deadline must be seconds or a Deadline (got {seconds!r})")
        return cls(time.monotonic() + seconds)

    @classmethod
    def of(cls, value: float | Deadline | None) -> Deadline:
        """What a caller may pass: seconds from now, a `Deadline`, or None for never."""
        if value is None:
            return NEVER
        return value if isinstance(value, Deadline) else cls.after(value)

    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - time.monotonic()

    def earlier(self, other: Deadline) -> Deadline:
        """Whichever comes first."""
        return self if self.at <= other.at else other


NEVER = Deadline(math.inf)
