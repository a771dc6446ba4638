"""The operations on batch jobs: CreateModelInvocationJob, Get, List and Stop."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from .call_log import Call
from .catalog import ACCOUNT_ID
from .errors import ServiceError, invalid
from .fake_job import STATUSES, TERMINAL, FakeJob
from .job_rules import JobFault
from .job_runner import JobRunner
from .job_store import JobRules, JobStore
from .job_timer import JobTimer
from .models import CalledTarget
from .pages import page_of
from .runtime import BilledResponse
from .s3_objects import ObjectLocation, S3AccessError, S3Objects

# A job whose records are being answered for longer than this is described as in progress.
_PATIENCE_SECONDS = 5.0
_NOT_SUPPORTED = "Batch inference is not supported for the requested model."
_QUOTA_EXCEEDED = (
    "The number of submitted and in-progress batch inference jobs exceeds the service quota for the model."
)


class BatchJobs:
    """The batch jobs of all regions. Its methods block, and are safe in several threads."""

    def __init__(
        self,
        rules: JobRules,
        *,
        clock: Callable[[], float],
        seed: int,
        page_size: int,
        answer: Callable[[Call, CalledTarget], Awaitable[BilledResponse]],
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._page_size = page_size
        self._store = JobStore()
        self._creating = threading.Lock()
        self._runner = JobRunner(clock=clock, seed=seed, s3=self._s3, answer=answer)
        self._timer = JobTimer(jobs=self._store.jobs, advance=self._runner.advance, clock=clock)

    def create(self, call: Call, target: CalledTarget) -> dict[str, Any]:
        """Answer CreateModelInvocationJob. `call` has the model of `target`."""
        token = call.body.get("clientRequestToken")
        with self._creating:
            earlier = self._store.find_by_token(call.region, token) if token else None
            if earlier is not None:
                if earlier.request != call.body:
                    raise ServiceError(
                        "ConflictException",
                        "The clientRequestToken was used for a request with other parameters.",
                    )
                return {"jobArn": earlier.arn}
            self._check(call, target)
            self._check_quota(call)
            job = FakeJob(
                call=call,
                target=target,
                settings=self._rules.settings,
                fault=self._rules.fault_for(call),
                submitted_at=self._clock(),
            )
            self._store.add(job)
        self._timer.wake()
        return {"jobArn": job.arn}

    def handle(self, call: Call, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer GetModelInvocationJob, ListModelInvocationJobs or StopModelInvocationJob."""
        if call.operation == "ListModelInvocationJobs":
            return self._list(call.region, query)
        job = self._store.find(call.region, call.invoked_id)
        if job is None:
            raise ServiceError("ResourceNotFoundException", f"Could not find the job {call.invoked_id}.")
        return self._described(job) if call.operation == "GetModelInvocationJob" else self._stop(job)

    def _stop(self, job: FakeJob) -> dict[str, Any]:
        if not self._runner.stop(job):
            raise ServiceError("ConflictException", f"The job {job.arn} has ended.")
        self._timer.wake()
        return {}

    def _list(self, region: str, query: Mapping[str, str]) -> dict[str, Any]:
        jobs = [job for job in self._store.jobs() if job.call.region == region]
        if _choice(query, "sortOrder", ("Ascending", "Descending")) != "Ascending":
            jobs.reverse()
        _choice(query, "sortBy", ("CreationTime",))
        _choice(query, "statusEquals", STATUSES)
        summaries = [one for job in jobs if _matches(one := self._described(job), query)]
        return page_of(summaries, query, name="invocationJobSummaries", page_size=self._page_size)

    def snapshot(self) -> tuple[dict[str, Any], ...]:
        """Return all jobs as GetModelInvocationJob describes them, with region, model and billed tokens."""
        return tuple(
            {
                **self._described(job),
                "region": job.call.region,
                "model": job.call.model_id,
                "billed": job.billed.usage,
            }
            for job in self._store.jobs()
        )

    def clear(self) -> None:
        """Remove all jobs."""
        self._store.clear()

    def close(self) -> None:
        """Stop the thread that advances jobs."""
        self._timer.stop()

    def _described(self, job: FakeJob) -> dict[str, Any]:
        if not job.lock.acquire(timeout=_PATIENCE_SECONDS):
            return job.describe(self._clock())
        try:
            self._runner.advance(job)
            return job.describe(self._clock())
        finally:
            job.lock.release()

    def _s3(self) -> S3Objects:
        return S3Objects.at(self._rules.s3_endpoint, self._rules.s3_certificate)

    def _check(self, call: Call, target: CalledTarget) -> None:
        """Raise ServiceError if a job cannot be created."""
        if not target.model.batch or not target.model.is_chat:
            raise invalid(_NOT_SUPPORTED)
        if (rejection := self._rules.rejection_for(call)) is not None:
            raise _rejected(rejection, call)
        if call.body.get("modelInvocationType") != "Converse":
            raise invalid("FakeBedrock supports only jobs with modelInvocationType Converse.")
        if not self._rules.s3_endpoint:
            raise invalid("FakeBedrock needs s3_endpoint to run batch jobs.")
        self._check_input(call.body["inputDataConfig"])

    def _check_quota(self, call: Call) -> None:
        same = [job for job in self._store.jobs() if _is_same_quota(job.call, call)]
        count = sum(self._described(job)["status"] not in TERMINAL for job in same)
        if count >= self._rules.settings.max_open_jobs:
            raise ServiceError("ServiceQuotaExceededException", _QUOTA_EXCEEDED)

    def _check_input(self, config: Mapping[str, Any]) -> None:
        location = ObjectLocation.parse(config["s3InputDataConfig"]["s3Uri"])
        try:
            files = self._s3().input_files(location)
        except S3AccessError as error:
            raise invalid(f"The input cannot be read: {error}") from None
        if not files:
            raise invalid(f"There is no input file at s3://{location.bucket}/{location.key}.")


def _rejected(fault: JobFault, call: Call) -> ServiceError:
    """Return the error of a job that a scripted outcome does not create."""
    if fault.outcome == "quota_exceeded":
        return ServiceError("ServiceQuotaExceededException", fault.message or _QUOTA_EXCEEDED)
    if fault.outcome == "not_supported":
        return invalid(fault.message or _NOT_SUPPORTED)
    caller = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/caller/session"
    return ServiceError(
        "AccessDeniedException",
        fault.message
        or f"User: {caller} is not authorized to perform: iam:PassRole on resource: {call.body['roleArn']} "
        "because no identity-based policy allows the iam:PassRole action",
    )


def _is_same_quota(one: Call, other: Call) -> bool:
    return (one.region, one.model_id) == (other.region, other.model_id)


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        raise invalid(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(choices)}]"
        )
    return value


def _matches(job: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether a job has the status, name and time of a query."""
    submitted = datetime.fromisoformat(job["submitTime"])
    return (
        query.get("statusEquals") in (None, job["status"])
        and query.get("nameContains", "") in job["jobName"]
        and ("submitTimeAfter" not in query or submitted > _time(query["submitTimeAfter"]))
        and ("submitTimeBefore" not in query or submitted < _time(query["submitTimeBefore"]))
    )


def _time(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise invalid(f"The timestamp {value!r} is invalid.") from None
