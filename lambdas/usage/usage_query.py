"""Which usage a report has: days, filters and groups, from the query of a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from llmmanager.json_format.codec import InvalidRequest

MAX_DAYS: Final = 92
GROUPS: Final[Mapping[str, str]] = {
    "day": "day",
    "team": "team",
    "caller": "caller",
    "key": "key_id",
    "model": "model",
}
"""The groups in the order of rows, and the fields of `UsageKey` that they are by."""

FILTERS: Final = ("team", "caller", "key", "model")
_DEFAULT_GROUP: Final = "day"
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ReadParameter = Callable[[str], str | None]
"""Returns a query parameter, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """What a report has.

    Attributes:
        first, last: the first and the last UTC day.
        groups: keys of `GROUPS`, in their order.
        filters: accepted values by key of `FILTERS`. "" accepts usage without a team or a key.
    """

    first: date
    last: date
    groups: tuple[str, ...]
    filters: Mapping[str, str]

    @property
    def days(self) -> list[str]:
        """The days as texts, such as "2026-12-01"."""
        count = (self.last - self.first).days + 1
        return [(self.first + timedelta(days=number)).isoformat() for number in range(count)]


def read_usage_query(
    parameter: ReadParameter, *, now: datetime, fixed: Mapping[str, str] | None = None
) -> UsageQuery:
    """Return the query of a request.

    Args:
        parameter: reads the query.
        now: the time whose month is the default.
        fixed: filters that apply to every request. A request can only repeat them.

    Raises:
        InvalidRequest: parameters are invalid; the error has all problems.
    """
    problems: list[str] = []
    last = _read_day(parameter, "to", problems) or now.astimezone(UTC).date()
    first = _read_day(parameter, "from", problems) or last.replace(day=1)
    if not problems and first > last:
        problems.append(f"from, to: the first day must not be after the last ({first} is after {last})")
    elif not problems and (last - first).days >= MAX_DAYS:
        problems.append(f"from, to: must be at most {MAX_DAYS} days (got {(last - first).days + 1})")
    groups = _read_groups(parameter("groupBy"), problems)
    filters = {name: text for name in FILTERS if (text := parameter(name)) is not None}
    for name, value in (fixed or {}).items():
        if filters.setdefault(name, value) != value:
            problems.append(f"{name}: must be {value!r}, or left out")
    if problems:
        raise InvalidRequest(problems)
    return UsageQuery(first=first, last=last, groups=groups, filters=filters)


def _read_day(parameter: ReadParameter, name: str, problems: list[str]) -> date | None:
    text = parameter(name)
    if text is None:
        return None
    try:
        # Python also accepts other formats, such as 20261201.
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    problems.append(f"{name}: must be a UTC day such as 2026-12-01 (got {text[:80]!r})")
    return None


def _read_groups(text: str | None, problems: list[str]) -> tuple[str, ...]:
    names = {name.strip() for name in (_DEFAULT_GROUP if text is None else text).split(",")}
    unknown = sorted(names - GROUPS.keys())
    if unknown:
        problems.append(
            f"groupBy: must be one or more of {', '.join(GROUPS)}, separated by commas "
            f"(got {', '.join(unknown)[:80]!r})"
        )
    return tuple(name for name in GROUPS if name in names)
