"""Settings of batch jobs, and the scripted outcomes of single jobs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .call_log import Call
from .rules import Scope, check_number, check_texts

_REJECTIONS = ("quota_exceeded", "pass_role_denied", "not_supported")
_OUTCOMES = ("completed", "partial", "failed", "expired", *_REJECTIONS)
_WHOLE = ("min_records", "max_records", "max_file_bytes", "max_job_bytes", "max_open_jobs")


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """How long batch jobs take, and their limits. With the defaults, a job ends as soon as it is created.

    Attributes:
        start_seconds: from the creation until the first record. Until then, a job is submitted, validated
            and scheduled.
        record_seconds: for each record.
        job_seconds: the minimum for all records.
        stop_seconds: from the request to stop until the job is stopped.
        hour_seconds: the length of an hour of `timeoutDurationInHours`.
        min_records, max_records: the limits of the number of records.
        max_file_bytes, max_job_bytes: the limits of the size of one input file, and of all.
        max_open_jobs: the maximum number of jobs that have not ended, for each model and region.

    Raises:
        ValueError: a value is invalid.
    """

    start_seconds: float = 0.0
    record_seconds: float = 0.0
    job_seconds: float = 0.0
    stop_seconds: float = 0.0
    hour_seconds: float = 3600.0
    min_records: int = 100
    max_records: int = 50_000
    max_file_bytes: int = 1024**3
    max_job_bytes: int = 5 * 1024**3
    max_open_jobs: int = 100

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                raise ValueError(f"{field.name} must be a number, not None")
            check_number(field.name, value, whole=field.name in _WHOLE)

    def changed(self, **changes: Any) -> JobSettings:
        """Return settings with other values. Raise ValueError for an unknown name or an invalid value."""
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(f"{name} is unknown; accepted are {', '.join(known)}")
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class JobFault(Scope):
    """A scripted outcome of batch jobs, which are those of its `Scope`.

    Attributes:
        outcome: "completed", "partial" (the job ends before all records are processed), "failed" or
            "expired"; or why the job is not created: "quota_exceeded", "pass_role_denied" or "not_supported".
        job_name: the name of the job, or a pattern with `*`; empty for every name.
        count: the maximum number of jobs that it applies to; None for no limit.
        processed: the number of records that are processed before the job ends. By default, half of them if
            the outcome is "partial", none if it is "failed" or "expired", and else all.
        failing: the share of the processed records that fail, 0 to 1.
        message: the message of a failed or expired job, of the failing records, or of the error if the job is
            not created; by default the usual one.
        truncated: whether the last line of each output file is cut off.
        late_seconds: from the end of the job until its output appears.
        unknown_ids: the number of lines in the output whose `recordId` is not in the input.
        duplicate_ids: the number of records that have two lines in the output.
        zero_counts: whether all counts of the job and its manifest stay zero.
        region, model, access, operation, service_tier: as in `Scope`.

    Raises:
        ValueError: a value is invalid.
    """

    outcome: str = "completed"
    job_name: str = ""
    count: int | None = None
    processed: int | None = None
    failing: float = 0.0
    message: str = ""
    truncated: bool = False
    late_seconds: float = 0.0
    unknown_ids: int = 0
    duplicate_ids: int = 0
    zero_counts: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_texts(job_name=self.job_name, message=self.message)
        if self.outcome not in _OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(_OUTCOMES)}, not {self.outcome!r}")
        check_number("count", self.count, whole=True)
        check_number("processed", self.processed, whole=True)
        check_number("failing", self.failing, maximum=1)
        check_number("late_seconds", self.late_seconds)
        check_number("unknown_ids", self.unknown_ids, whole=True)
        check_number("duplicate_ids", self.duplicate_ids, whole=True)
        for name in ("truncated", "zero_counts"):
            if getattr(self, name) not in (True, False):
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")

    @property
    def rejects(self) -> bool:
        """Whether the job is not created."""
        return self.outcome in _REJECTIONS

    def covers(self, call: Call) -> bool:
        """Whether the fault applies to the job that `call` creates."""
        name = call.body.get("jobName", "")
        return super().covers(call) and (not self.job_name or fnmatchcase(name, self.job_name))

    def processed_of(self, total: int) -> int:
        """Return how many of `total` records are processed."""
        defaults = {"partial": total // 2, "failed": 0, "expired": 0}
        wanted = defaults.get(self.outcome, total) if self.processed is None else self.processed
        return min(wanted, total)
