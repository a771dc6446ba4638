"""Numbers as the report shows them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def count(number: int) -> str:
    """Return a whole number with separators, such as "12,345"."""
    return f"{number:,}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as "1 record" or "2 records"."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def short_count(number: float) -> str:
    """Return a number with few digits, such as "0.25", "9,999", "12.3 k" or "1.2 M"."""
    if number < 10_000:
        return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.2g}"
    for factor, unit in ((1e3, "k"), (1e6, "M"), (1e9, "G")):
        if number < 999.5 * factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number / 1e12:,.3g} T"


def dollars(usd: float) -> str:
    """Return an amount with two decimals, or with three significant digits below one dollar."""
    if usd == 0:
        return "$0"
    if usd >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.{max(2, 2 - math.floor(math.log10(usd)))}f}"


def duration(milliseconds: float) -> str:
    """Return a duration, such as "850 ms", "1.4 s", "3 min 20 s" or "2 h 05 min"."""
    if milliseconds < 999.5:
        return f"{milliseconds:.3g} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / _SECOND:.3g} s"
    seconds = round(milliseconds / _SECOND)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    minutes = round(milliseconds / _MINUTE)
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(milliseconds / _HOUR)
    return f"{counted(hours // 24, 'day')} {hours % 24} h"


def percent(part: int, whole: int) -> str:
    """Return a share, such as "98.2 %". It is 0 % or 100 % only if this is exact."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def moment(time: datetime) -> str:
    """Return a time in UTC, such as "2026-12-01 08:15:30 UTC"."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def moment_of(text: str | None) -> str | None:
    """Return a time of the API (ISO 8601) as `moment` writes it, or None for None."""
    return None if text is None else moment(datetime.fromisoformat(text).astimezone(UTC))
