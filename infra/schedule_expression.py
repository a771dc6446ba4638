"""Check recurring schedules of EventBridge Scheduler before the deployment."""

from __future__ import annotations

import re

SCHEDULE_FORMAT = (
    'either "rate(6 hours)" (a whole number of minute(s), hour(s) or day(s), singular for 1) or '
    '"cron(0 6 * * ? *)" (minutes, hours, day of month, month, day of week, year; exactly one of the two day '
    "fields is ?)"
)

DAY_SECONDS = 86_400

_RATE = re.compile(r"rate\((?:1 (?:minute|hour|day)|(?!0|1 )\d{1,6} (?:minutes|hours|days))\)", re.ASCII)
_CRON = re.compile(r"cron\(([^()]*)\)")
# The lowest and highest number of each field, and the names accepted in place of numbers.
_CRON_FIELDS = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"),
    (1, 7, "SUN|MON|TUE|WED|THU|FRI|SAT"),
    (1970, 2199, ""),
)
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4


def is_recurring_schedule(text: str) -> bool:
    """Whether Scheduler accepts the expression and runs it repeatedly (unlike `at()`)."""
    if _RATE.fullmatch(text):
        return True
    cron = _CRON.fullmatch(text)
    fields = cron[1].split() if cron else []
    if len(fields) != len(_CRON_FIELDS):
        return False
    if (fields[_DAY_OF_MONTH] == "?") == (fields[_DAY_OF_WEEK] == "?"):
        return False
    return all(_is_cron_field(index, field) for index, field in enumerate(fields))


def longest_pause_seconds(text: str) -> int | None:
    """Return the longest time between two runs of a recurring schedule, or None for an irregular one."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text)
    if rate:
        return int(rate[1]) * {"minute": 60, "hour": 3600, "day": DAY_SECONDS}[rate[2]]
    days = text.removeprefix("cron(").removesuffix(")").split()[_DAY_OF_MONTH:]
    return DAY_SECONDS if all(field in ("*", "?") for field in days) else None


def _is_cron_field(index: int, field: str) -> bool:
    if field == "?":
        return index in (_DAY_OF_MONTH, _DAY_OF_WEEK)
    return all(_is_cron_item(index, item) for item in field.split(","))


def _is_cron_item(index: int, item: str) -> bool:
    """Whether `item` is a value, a range or `*`, each with an optional step, or a special day."""
    low, high, names = _CRON_FIELDS[index]
    if index == _DAY_OF_MONTH and re.fullmatch(r"L|LW|(?:[1-9]|[12]\d|3[01])W", item):
        return True
    if index == _DAY_OF_WEEK and re.fullmatch(rf"L|(?:[1-7]|{names})(?:L|#[1-5])", item):
        return True
    value = rf"(\d{{1,4}}|{names})" if names else r"(\d{1,4})"
    match = re.fullmatch(rf"(?:\*|{value}(?:-{value})?)(?:/([1-9]\d{{0,3}}))?", item, re.ASCII)
    if not match:
        return False
    numbers = [int(number) for number in match.groups()[:2] if number and number.isdigit()]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)
