"""The line of progress."""

from __future__ import annotations

from llmmanager.batch_run.run_progress import RunProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_line_has_the_rate_the_cost_and_the_time_left() -> None:
    clock = Clock()
    progress = RunProgress(1000, done=400, cost_usd=0.5, clock=clock)
    for _ in range(100):
        clock.now += 0.3
        progress.add(success=True, cost_usd=0.001)

    line = progress.line(waiting_seconds=0)

    assert line == "500 of 1,000 records, 200 per minute, $0.600, 2 min 30 s left"


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = Clock()
    progress = RunProgress(1000, clock=clock)
    for seconds in (0, 100, 130):
        clock.now = seconds
        progress.add(success=False, cost_usd=0.0)

    assert progress.per_minute() == 2
    assert progress.line(waiting_seconds=0).startswith("3 of 1,000 records, 3 failed, 2 per minute")


def test_a_wait_for_quota_replaces_the_time_left() -> None:
    clock = Clock()
    progress = RunProgress(2, clock=clock)
    clock.now = 30

    line = progress.line(waiting_seconds=25.4)

    assert line == "0 of 2 records, 0 per minute, $0, waiting for quota for 25 s"
    assert "quota" not in progress.line(waiting_seconds=1)
