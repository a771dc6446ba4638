"""The batch jobs of a FakeBedrock, and the rules for new ones. Thread-safe."""

from __future__ import annotations

import threading
from typing import Any

from .call_log import Call
from .fake_job import FakeJob
from .job_rules import JobFault, JobSettings


class JobStore:
    """The jobs in the order of their creation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], FakeJob] = {}
        self._tokens: dict[tuple[str, str], FakeJob] = {}

    def add(self, job: FakeJob) -> None:
        """Add a job."""
        region, token = job.call.region, job.request.get("clientRequestToken")
        with self._lock:
            self._jobs[region, job.job_id] = job
            if token is not None:
                self._tokens[region, token] = job

    def find(self, region: str, identifier: str) -> FakeJob | None:
        """Return the job with an id or ARN in a region."""
        with self._lock:
            job = self._jobs.get((region, identifier.rpartition("/")[2]))
        return job if job is not None and identifier in (job.job_id, job.arn) else None

    def find_by_token(self, region: str, token: str) -> FakeJob | None:
        """Return the job that was created with a `clientRequestToken` in a region."""
        with self._lock:
            return self._tokens.get((region, token))

    def jobs(self) -> tuple[FakeJob, ...]:
        """Return all jobs."""
        with self._lock:
            return tuple(self._jobs.values())

    def clear(self) -> None:
        """Remove all jobs."""
        with self._lock:
            self._jobs.clear()
            self._tokens.clear()


class JobRules:
    """The S3 endpoint, the settings, and the scripted outcomes of new jobs."""

    def __init__(self, s3_endpoint: str) -> None:
        self.s3_endpoint = s3_endpoint
        self.s3_certificate: str | None = None
        self.settings = JobSettings()
        self._lock = threading.Lock()
        self._faults: list[JobFault] = []
        self._used: list[int] = []

    def change(self, **settings: Any) -> None:
        """Change some settings of new jobs."""
        self.settings = self.settings.changed(**settings)

    def add_fault(self, fault: JobFault) -> None:
        """Add a scripted outcome. The first matching one applies, and those without a job before others."""
        if not isinstance(fault, JobFault):
            raise TypeError(f"a fault of jobs must be a JobFault, not {fault!r}")
        with self._lock:
            self._faults.append(fault)
            self._used.append(0)

    def fault_for(self, call: Call) -> JobFault:
        """Return the scripted outcome of the job that `call` creates, and count it."""
        return self._first(call, rejects=False) or JobFault()

    def rejection_for(self, call: Call) -> JobFault | None:
        """Return the scripted reason not to create a job, and count it."""
        return self._first(call, rejects=True)

    def _first(self, call: Call, *, rejects: bool) -> JobFault | None:
        with self._lock:
            for index, fault in enumerate(self._faults):
                spent = fault.count is not None and self._used[index] >= fault.count
                if fault.rejects == rejects and not spent and fault.covers(call):
                    self._used[index] += 1
                    return fault
        return None

    def clear_faults(self) -> None:
        """Remove all scripted outcomes."""
        with self._lock:
            self._faults.clear()
            self._used.clear()

    def clear(self) -> None:
        """Remove all scripted outcomes, and restore the default settings. The S3 endpoint stays."""
        self.clear_faults()
        self.settings = JobSettings()
