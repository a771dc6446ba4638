"""A batch job of FakeBedrock: its status and counts at a time."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from .billing import TokenCount
from .call_log import Call
from .catalog import ACCOUNT_ID
from .job_input import JobRecord
from .job_output import JobCounts, ProcessedRecord
from .job_rules import JobFault, JobSettings
from .models import CalledTarget
from .s3_objects import ObjectLocation

_DEFAULT_TIMEOUT_HOURS = 24
_ID_CHARS = string.ascii_lowercase + string.digits
STATUSES = (
    "Submitted",
    "InProgress",
    "Completed",
    "Failed",
    "Stopping",
    "Stopped",
    "PartiallyCompleted",
    "Expired",
    "Validating",
    "Scheduled",
)
TERMINAL = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")


@dataclass(frozen=True)
class JobEnd:
    """How a job ends: when, with which status, after how many records, and why."""

    at: float
    status: str
    processed: int
    message: str = ""


@dataclass(eq=False, kw_only=True)
class FakeJob:
    """A job. `lock` protects everything below it.

    Attributes:
        call: the call that created it.
        target: the model.
        settings: the settings at its creation.
        fault: its scripted outcome.
        submitted_at: the time of its creation by the clock of FakeBedrock, in seconds.
        records: the records in the order of processing; None before the input was read, and after
            the output is written.
        end: how the job ends; None before the input was read.
        stopped_at: when its stop was requested.
        processed: the answered records until the output is written.
        final_counts: the counts of an ended job; None before.
        billed: the billed tokens.
        written: whether the output is written.
    """

    call: Call
    target: CalledTarget
    settings: JobSettings
    fault: JobFault
    submitted_at: float
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    job_id: str = field(default_factory=lambda: "".join(secrets.choice(_ID_CHARS) for _ in range(12)))
    lock: threading.RLock = field(default_factory=threading.RLock)
    records: list[JobRecord] | None = None
    end: JobEnd | None = None
    stopped_at: float | None = None
    processed: list[ProcessedRecord] = field(default_factory=list)
    final_counts: JobCounts | None = None
    billed: TokenCount = field(default_factory=TokenCount)
    written: bool = False

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:bedrock:{self.call.region}:{ACCOUNT_ID}:model-invocation-job/{self.job_id}"

    @property
    def request(self) -> dict[str, Any]:
        """The request that created the job."""
        body: dict[str, Any] = self.call.body
        return body

    @property
    def input(self) -> ObjectLocation:
        """The location of the input."""
        return ObjectLocation.parse(self.request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])

    @property
    def output(self) -> ObjectLocation:
        """The folder of the output."""
        location = ObjectLocation.parse(self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        return ObjectLocation(location.bucket, f"{location.folder}{self.job_id}/")

    @property
    def timeout_hours(self) -> int:
        """The hours after which the job expires."""
        hours: int = self.request.get("timeoutDurationInHours") or _DEFAULT_TIMEOUT_HOURS
        return hours

    @property
    def validated_at(self) -> float:
        """When the input is read."""
        return self.submitted_at + self.settings.start_seconds / 3

    @property
    def scheduled_at(self) -> float:
        """When the input is validated, and the job waits for its start."""
        return self.submitted_at + self.settings.start_seconds * 2 / 3

    @property
    def started_at(self) -> float:
        """When the first record is sent to the model."""
        return self.submitted_at + self.settings.start_seconds

    @property
    def expires_at(self) -> float:
        """When the job expires."""
        return self.submitted_at + self.timeout_hours * self.settings.hour_seconds

    @property
    def next_event_at(self) -> float | None:
        """When the job has something to do: read the input, answer the records, write the output."""
        if self.end is None:
            return self.validated_at
        if self.written:
            return None
        return self.end.at if self.final_counts is None else self.output_at

    @property
    def output_at(self) -> float:
        """When the output of a job with a planned end appears."""
        assert self.end is not None
        return self.end.at + self.fault.late_seconds

    def seconds_of(self, records: int) -> float:
        """Return how long the first `records` records take."""
        total = len(self.records or ())
        per_record = max(self.settings.record_seconds, self.settings.job_seconds / max(total, 1))
        return per_record * records

    def processed_at(self, now: float) -> int:
        """Return how many records are processed at a time."""
        if self.end is None or now < self.started_at:
            return 0
        if now >= self.end.at:
            return self.end.processed
        per_record = self.seconds_of(1)
        return min(self.end.processed, int((now - self.started_at) / per_record)) if per_record else 0

    @property
    def _is_settled(self) -> bool:
        """Whether the records are answered, and the output is written unless it is to be late."""
        return self.final_counts is not None and (self.written or self.fault.late_seconds > 0)

    def status_at(self, now: float) -> str:
        """Return the status at a time."""
        if self.end is not None and now >= self.end.at and self._is_settled:
            return self.end.status
        if self.stopped_at is not None:
            return "Stopping"
        if self.records is None:
            return "Submitted"
        if now < self.started_at:
            return "Validating" if now < self.scheduled_at else "Scheduled"
        return "InProgress"

    def counts_at(self, now: float) -> JobCounts:
        """Return the counts at a time. Before the input is read, they are zero."""
        if self.fault.zero_counts:
            return JobCounts()
        records = self.records
        if self.final_counts is not None or records is None:
            return self.final_counts or JobCounts()
        count = self.processed_at(now)
        errors = sum(record.problem is not None for record in records[:count])
        return JobCounts(len(records), count, count - errors, errors)

    def fail(self, message: str) -> None:
        """Make an ended job failed."""
        assert self.end is not None
        self.end = replace(self.end, status="Failed", message=message)

    def describe(self, now: float) -> dict[str, Any]:
        """Return the answer of GetModelInvocationJob."""
        status = self.status_at(now)
        optional = ("clientRequestToken", "vpcConfig", "modelInvocationType")
        answer = {
            "jobArn": self.arn,
            "jobName": self.request["jobName"],
            "modelId": self.request["modelId"],
            "roleArn": self.request["roleArn"],
            "status": status,
            "submitTime": self._timestamp(self.submitted_at),
            "lastModifiedTime": self._timestamp(min(now, self.end.at) if self.end else now),
            "inputDataConfig": self.request["inputDataConfig"],
            "outputDataConfig": self.request["outputDataConfig"],
            "timeoutDurationInHours": self.timeout_hours,
            "jobExpirationTime": self._timestamp(self.expires_at),
            **{name: self.request[name] for name in optional if name in self.request},
            **self.counts_at(now).to_dict(),
        }
        if status in TERMINAL and self.end is not None:
            answer["endTime"] = self._timestamp(self.end.at)
            if self.end.message:
                answer["message"] = self.end.message
        return answer

    def _timestamp(self, at: float) -> str:
        time = self.submitted + timedelta(seconds=at - self.submitted_at)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
