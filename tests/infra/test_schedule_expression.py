"""Schedule expressions that EventBridge Scheduler accepts and rejects."""

from __future__ import annotations

import pytest

from infra.schedule_expression import is_recurring_schedule


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)",
        "rate(1 hour)",
        "rate(1 day)",
        "rate(5 minutes)",
        "rate(6 hours)",
        "rate(30 days)",
        "cron(0 6 * * ? *)",
        "cron(0 6 ? * * *)",
        "cron(*/15 * * * ? *)",
        "cron(0 0,12 1 JAN-MAR ? 2026-2030)",
        "cron(0 8 ? * MON-FRI *)",
        "cron(0 8 ? * 2#1 *)",
        "cron(0 8 ? * FRIL *)",
        "cron(0 8 L * ? *)",
        "cron(0 8 15W * ? *)",
        "cron(0 8 ? * L *)",
    ],
)
def test_a_recurring_schedule_is_accepted(expression: str) -> None:
    assert is_recurring_schedule(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "6 hours",
        "rate(0 hours)",
        "rate(1 hours)",
        "rate(6 hour)",
        "rate(-6 hours)",
        "rate(1.5 hours)",
        "rate(6 weeks)",
        "rate(6hours)",
        "Rate(6 hours)",
        "rate(٦ hours)",
        "at(2026-11-22T00:00:00)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 6 0 * ? *)",
        "cron(0 6 32 * ? *)",
        "cron(0 6 * 13 ? *)",
        "cron(0 6 ? * 8 *)",
        "cron(0 6 ? * 2#6 *)",
        "cron(0 6 * * ? 1969)",
        "cron(0 6 * FOO ? *)",
        "cron(30-10 6 * * ? *)",
        "cron(0 6 * * ? *) ",
        "cron(*/0 6 * * ? *)",
        "cron(? 6 * * ? *)",
        "cron(, 6 * * ? *)",
    ],
)
def test_any_other_expression_is_rejected(expression: str) -> None:
    assert not is_recurring_schedule(expression)
