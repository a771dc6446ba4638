"""The deadline of a call."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError


@dataclass(frozen=True)
class Deadline:
    """A point in time by which a call must end. Several calls can share one deadline.

    Attributes:
        at: seconds on the monotonic clock (`time.monotonic()`).
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` from now.

        Raises:
            ConfigurationError: `seconds` is not a number.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
            raise ConfigurationError(f"deadline must be seconds or a Deadline (got {seconds!r})")
        return cls(time.monotonic() + seconds)

    @classmethod
    def from_value(cls, value: float | Deadline | None) -> Deadline:
        """Return the deadline for seconds from now, a `Deadline`, or None (no deadline)."""
        if value is None:
            return NEVER
        return value if isinstance(value, Deadline) else cls.after(value)

    def remaining(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.at - time.monotonic()

    def earlier(self, other: Deadline) -> Deadline:
        """Return the earlier of the two deadlines."""
        return self if self.at <= other.at else other


NEVER = Deadline(math.inf)
