"""How long a job waits for its next step, and for what Bedrock has not done yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lambdas.batch.managed.cut_off import CutOff
from lambdas.batch.managed.job_files import JobStatus
from lambdas.contract import seconds_to_next_poll

STOP_WAIT: Final = 10
"""The seconds between two looks at a job that stops."""
TABLE_WAIT: Final = 30
"""The seconds until the table of budgets is used again after a failure."""
PATIENCE: Final = timedelta(hours=24)
"""How long a job may take to be created, and to show its output, if no deadline is near."""
# How long other jobs may take to show their output: those that failed or must not run, and without answers.
_OUTPUT_PATIENCE: Final = timedelta(minutes=10)
_OUTPUT_WITHOUT_ANSWERS: Final = timedelta(seconds=60)
_STOP_PATIENCE: Final = timedelta(minutes=30)
# Jobs that always have an output, if they have answers.
_WITH_OUTPUT: Final = frozenset({"Completed", "PartiallyCompleted", "Stopped", "Expired"})


@dataclass(frozen=True, slots=True)
class JobWaits:
    """The waits of an attempt, as of a time.

    Attributes:
        now: this time in UTC.
        written_at: when the intent of the attempt was written.
        timeout_hours: after that time Bedrock ends the job.
        cut_off: when the job must stop; None without a deadline.
    """

    now: datetime
    written_at: datetime
    timeout_hours: int
    cut_off: CutOff | None

    @property
    def age(self) -> timedelta:
        """The time since the intent was written."""
        return self.now - self.written_at

    def next_poll(self) -> int:
        """Return the seconds until the next look at the job."""
        return self._until_cut_off(seconds_to_next_poll(self.age.total_seconds()))

    def next_look_for_output(self, status: JobStatus) -> int:
        """Return the seconds until the next look for the output of a job that has ended."""
        waited = self.now - datetime.fromisoformat(status.seen_ended_at)
        return self._until_cut_off(seconds_to_next_poll(waited.total_seconds()))

    def is_creation_overdue(self) -> bool:
        """Whether Bedrock has postponed the creation for too long."""
        return self.age >= PATIENCE

    def is_stop_overdue(self, status: JobStatus) -> bool:
        """Whether a job takes too long to stop: what it has answered is imported without a further wait."""
        return self._has_passed(status.stop_requested_at, self._limited(_STOP_PATIENCE))

    def is_stop_possible_later(self) -> bool:
        """Whether there is time to request a stop again that Bedrock has not accepted."""
        return self.cut_off is None or self.now < self.cut_off.at + self.cut_off.margin

    def is_output_overdue(self, status: JobStatus, *, may_have_answers: bool, may_run: bool) -> bool:
        """Whether a job has ended so long ago that its records run without its output.

        Args:
            may_have_answers: whether Bedrock may have answered records.
            may_run: whether jobs may run now: the cut-off of the batch has not passed.
        """
        if may_have_answers and may_run and status.status in _WITH_OUTPUT:
            return self._has_passed(status.seen_ended_at, PATIENCE)
        patience = _OUTPUT_PATIENCE if may_have_answers else _OUTPUT_WITHOUT_ANSWERS
        return self._has_passed(status.seen_ended_at, self._limited(patience))

    def may_be_running(self) -> bool:
        """Whether a job whose status cannot be read may still run, or wait for its import."""
        return self.age < timedelta(hours=self.timeout_hours) + PATIENCE

    def _until_cut_off(self, seconds: float) -> int:
        if self.cut_off is not None and self.now < self.cut_off.at:
            seconds = min(seconds, (self.cut_off.at - self.now).total_seconds())
        return max(math.ceil(seconds), 1)

    def _limited(self, patience: timedelta) -> timedelta:
        """Return how long to wait if a deadline is near: at most the time that is reserved for it."""
        return patience if self.cut_off is None else min(patience, self.cut_off.margin)

    def _has_passed(self, since: str, patience: timedelta) -> bool:
        return bool(since) and self.now - datetime.fromisoformat(since) >= patience
