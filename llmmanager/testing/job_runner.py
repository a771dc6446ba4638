"""Runs batch jobs: reads the input, answers the records, and writes the output when the time has come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

from .call_log import Call
from .errors import ServiceError
from .fake_job import FakeJob, JobEnd
from .job_input import InvalidInput, JobRecord, check_sizes, read_records
from .job_output import JobCounts, ProcessedRecord, manifest, output_files
from .models import CalledTarget
from .runtime import BilledResponse
from .s3_objects import S3AccessError, S3Objects

_STATUS = {
    "completed": "Completed",
    "partial": "PartiallyCompleted",
    "failed": "Failed",
    "expired": "Expired",
}
_MESSAGE = {
    "Failed": "The job failed because of an internal error.",
    "Expired": "The job timed out before it started.",
}


class JobRunner:
    """Advances jobs to the current time.

    Args:
        clock: returns the time in seconds.
        seed: the seed of the order of records.
        s3: returns the S3 objects.
        answer: answers a record, which it gets as a call with the record as body.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        seed: int,
        s3: Callable[[], S3Objects],
        answer: Callable[[Call, CalledTarget], Awaitable[BilledResponse]],
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._s3 = s3
        self._answer = answer

    def advance(self, job: FakeJob) -> None:
        """Do what is due of a job."""
        with job.lock:
            if job.end is None and self._clock() >= job.validated_at:
                self._read(job)
            if job.end is not None and job.final_counts is None and self._clock() >= job.end.at:
                self._answer_all(job, job.end.processed)
            if job.final_counts is not None and not job.written and self._clock() >= job.output_at:
                self._write(job)

    def stop(self, job: FakeJob) -> bool:
        """Stop a job. Return False if it has ended."""
        with job.lock:
            self.advance(job)
            now = self._clock()
            if job.stopped_at is not None:
                return job.end is not None and now < job.end.at
            if job.end is not None and now >= job.end.at:
                return False
            processed = job.processed_at(now)
            job.stopped_at = now
            job.end = JobEnd(now + job.settings.stop_seconds, "Stopped", processed)
        return True

    def _read(self, job: FakeJob) -> None:
        location = job.input
        try:
            files = self._s3().input_files(location)
            check_sizes(files, job.settings)
            contents = {file.name: self._s3().read(location.bucket, file.key) for file in files}
            folder = f"s3://{location.bucket}/{location.parent}"
            records = read_records(contents, job.settings, media=folder)
        except (InvalidInput, S3AccessError) as error:
            job.end = JobEnd(job.scheduled_at, "Failed", 0, str(error))
            return
        random.Random(f"{self._seed}:{job.request['jobName']}").shuffle(records)
        job.records = records
        job.end = _planned_end(job, len(records))

    def _answer_all(self, job: FakeJob, count: int) -> None:
        if job.records is None:  # it was stopped or failed before: there is no output
            job.final_counts, job.written = JobCounts(), True
            return
        job.processed = asyncio.run(self._answers(job, job.records[:count]))
        errors = sum(one.error is not None for one in job.processed)
        job.final_counts = JobCounts(len(job.records), count, count - errors, errors)

    async def _answers(self, job: FakeJob, records: list[JobRecord]) -> list[ProcessedRecord]:
        rng = random.Random(f"{self._seed}:{job.request['jobName']}:failing")
        failing = set(rng.sample(range(len(records)), round(len(records) * job.fault.failing)))
        return [
            await self._answer_record(job, record, fails=index in failing)
            for index, record in enumerate(records)
        ]

    async def _answer_record(self, job: FakeJob, record: JobRecord, *, fails: bool) -> ProcessedRecord:
        if fails:
            error = ServiceError("InternalServerException", job.fault.message)
            return ProcessedRecord(record, error=error)
        if record.problem is not None:
            return ProcessedRecord(record, error=record.problem)
        call = replace(
            job.call, operation="Converse", service_tier="batch", body=record.model_input, number=0
        )
        try:
            reply = await self._answer(call, job.target)
        except ServiceError as error:
            return ProcessedRecord(record, error=error)
        except Exception as error:  # like Converse, an error of the responder is an answer
            return ProcessedRecord(record, error=ServiceError("InternalServerException", repr(error)))
        job.billed += reply.bill.tokens
        return ProcessedRecord(record, response=reply.body)

    def _write(self, job: FakeJob) -> None:
        location = job.output
        files = output_files(job.processed, job.fault, seed=f"{self._seed}:{job.request['jobName']}:output")
        files["manifest.json.out"] = manifest(job.counts_at(self._clock()), job.billed, job.fault)
        try:
            for name, content in files.items():
                self._s3().write(location.bucket, f"{location.key}{name}", content=content)
        except S3AccessError as error:
            job.fail(f"The output cannot be written: {error}")
        job.records, job.processed, job.written = None, [], True


def _planned_end(job: FakeJob, total: int) -> JobEnd:
    """Return how a job ends unless it is stopped."""
    fault = job.fault
    status = _STATUS[fault.outcome]
    processed = fault.processed_of(total)
    at = job.started_at + job.seconds_of(processed)
    if job.expires_at <= job.started_at:
        return JobEnd(job.expires_at, "Expired", 0, _MESSAGE["Expired"])
    if at > job.expires_at:
        in_time = int((job.expires_at - job.started_at) / job.seconds_of(1))
        return JobEnd(job.expires_at, "PartiallyCompleted", in_time, "The job timed out.")
    message = fault.message or _MESSAGE[status] if status in _MESSAGE else ""
    return JobEnd(at, status, processed, message)
