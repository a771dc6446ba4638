"""Times as text, in responses, events and tables."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time: datetime) -> str:
    """Return a time in UTC with milliseconds. The order of these texts is that of the times."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return the time in an ISO 8601 text.

    Raises:
        ValueError: the text is not a time with an offset from UTC.
    """
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("not an ISO 8601 time with an offset from UTC")
