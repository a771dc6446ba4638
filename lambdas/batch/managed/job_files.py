"""The files of managed batch jobs, under `batches/{batchId}/jobs/`.

    00000/complete.json                      shards of the job with a result for each record
    00000/001/input/{token}/records.jsonl    the records of the first attempt, as Bedrock reads them
              input/{token}/index.jsonl      what the import needs of these records
              intent.json                    written before the job is created
              created.json                   the ARN of the job
              status.json                    its last status
              output/…                       written by Bedrock
              import.json                    how far the output is imported
              closed.json                    the end of the attempt

An attempt is open until `closed.json` exists. This module has no heavy imports, since the HTTP API and the
workers use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Self

from lambdas.batch.s3_objects import ObjectMissing, list_keys, put_new_object
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from lambdas.shared.clients import S3_CONNECTIONS
from llmmanager.json_format.json_text import dump

NOT_CREATED: Final = "NotCreated"
"""The status of an attempt whose job was not created."""
INTENT, CREATED, STATUS = "intent.json", "created.json", "status.json"
IMPORT, CLOSED = "import.json", "closed.json"
OUTPUT: Final = "output/"
_COMPLETE: Final = "complete.json"
_FILE: Final = re.compile(r"(\d+)/(\d+)/([a-z]+\.json)")
_MAX_REASON: Final = 300


class StoredFile:
    """A base class of frozen dataclasses that are stored as JSON with the names of their attributes."""

    def to_json(self) -> dict[str, Any]:
        """Return the attributes for `from_json`."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the stored value. Attributes of a later version are ignored."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in data.items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIntent(StoredFile):
    """A job that is about to be created, or that was created.

    Attributes:
        token: the idempotency token of the creation.
        name: the name of the job, which no other job has.
        run: the execution that wrote the intent.
        model: the id of the model.
        invoke_id: the id of the model or inference profile that the job uses.
        region: where the job runs.
        records: number of records in its input.
        timeout_hours: after that time Bedrock ends the job.
        reservation: what is reserved of the caller's budgets, as `job_budget` encodes it.
        written_at: when it was written, as ISO 8601 text in UTC.
    """

    token: str
    name: str
    run: str
    model: str
    invoke_id: str
    region: str
    records: int
    timeout_hours: int
    reservation: Mapping[str, Any]
    written_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus(StoredFile):
    """The status of a job.

    Attributes:
        status: as Bedrock names it.
        message: Bedrock's message, shortened; empty without one.
        total, processed, succeeded, failed: numbers of records, as Bedrock counts them; 0 if it does not.
        ended_at: when the job ended, as Bedrock or the first poll after it says; empty before the end.
        seen_ended_at: when a poll first saw the end; empty before it.
        stop_requested_at: when its stop was requested; empty if it was not.
        stop_cause: why it was stopped; empty if it was not.
    """

    status: str = ""
    message: str = ""
    total: int = 0
    processed: int = 0
    succeeded: int = 0
    failed: int = 0
    ended_at: str = ""
    seen_ended_at: str = ""
    stop_requested_at: str = ""
    stop_cause: str = ""


@dataclass(frozen=True, slots=True)
class JobAttempt:
    """One attempt of a job: a job of Bedrock, or one that could not be created.

    Attributes:
        storage: the objects of the batch.
        job: the number of the job in the batch, from 0.
        number: the number of the attempt, from 1.
        is_closed: whether it was closed when it was listed.
    """

    storage: BatchStorage
    job: int
    number: int
    is_closed: bool = False

    def key(self, name: str) -> str:
        """Return the key of a file of the attempt."""
        return f"{_folder(self.storage, self.job)}{self.number:03d}/{name}"

    def uri(self, name: str) -> str:
        """Return the S3 URI of a file of the attempt."""
        return f"s3://{self.storage.bucket}/{self.key(name)}"

    def input_key(self, token: str) -> str:
        """Return the key of the input. The token is in it, so that a later writer cannot replace it."""
        return self.key(f"input/{token}/records.jsonl")

    def index_key(self, token: str) -> str:
        """Return the key of the index of the input."""
        return self.key(f"input/{token}/index.jsonl")

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the attempt, or None if it does not exist."""
        try:
            data: dict[str, Any] = json.loads(self.storage.read(self.key(name)))
        except ObjectMissing:
            return None
        return data

    def write(self, name: str, data: Mapping[str, Any]) -> None:
        """Write a JSON file of the attempt."""
        self.storage.put(self.key(name), dump(data))

    def put_intent(self, intent: JobIntent) -> bool:
        """Write the intent, unless another invocation has written one. Return whether it was written."""
        return put_new_object(self.storage.bucket, self.key(INTENT), dump(intent.to_json()))

    def intent(self) -> JobIntent:
        """Return the intent.

        Raises:
            ObjectMissing: the attempt has none.
        """
        return JobIntent.from_json(json.loads(self.storage.read(self.key(INTENT))))

    def arn(self) -> str | None:
        """Return the ARN of the job, or None if it is unknown whether it was created."""
        created = self.read(CREATED)
        return created["jobArn"] if created is not None else None

    def put_arn(self, arn: str) -> None:
        """Record that the job was created."""
        self.write(CREATED, {"jobArn": arn})

    def status(self) -> JobStatus:
        """Return the last status, or an empty one."""
        return JobStatus.from_json(self.read(STATUS) or {})

    def close(self, figures: Mapping[str, Any], *, now: datetime) -> JobAttempt:
        """Record the end of the attempt, unless it has ended. Return the closed attempt."""
        body = dump({**figures, "closedAt": now.isoformat()})
        put_new_object(self.storage.bucket, self.key(CLOSED), body)
        return replace(self, is_closed=True)


def job_id(arn: str) -> str:
    """Return the id of a job."""
    return arn.rpartition("/")[2]


def short_reason(text: str) -> str:
    """Return a reason in the length in which it is stored."""
    return text if len(text) <= _MAX_REASON else f"{text[: _MAX_REASON - 1]}…"


def attempts_of(storage: BatchStorage, job: int | None = None) -> list[JobAttempt]:
    """Return the attempts of one job, or of all jobs, in order. Those without an intent are left out."""
    prefix = storage.key(BatchObject.JOBS) if job is None else _folder(storage, job)
    found: dict[tuple[int, int], set[str]] = {}
    for key in list_keys(storage.bucket, prefix):
        named = _FILE.fullmatch(key.removeprefix(storage.key(BatchObject.JOBS)))
        if named:
            found.setdefault((int(named[1]), int(named[2])), set()).add(named[3])
    return [
        JobAttempt(storage, *numbers, is_closed=CLOSED in names)
        for numbers, names in sorted(found.items())
        if INTENT in names
    ]


def open_attempts(storage: BatchStorage) -> list[JobAttempt]:
    """Return the open attempts of all jobs of a batch."""
    return [attempt for attempt in attempts_of(storage) if not attempt.is_closed]


def records_in_jobs(storage: BatchStorage) -> int:
    """Return the number of records in the open attempts of a batch."""
    intents = (attempt.read(INTENT) or {} for attempt in open_attempts(storage))
    return sum(intent.get("records", 0) for intent in intents)


def put_complete_shards(storage: BatchStorage, job: int, shards: Iterable[int]) -> None:
    """Record the shards of a job that have a result for each record."""
    storage.put(f"{_folder(storage, job)}{_COMPLETE}", dump({"shards": sorted(shards)}))


def complete_shards(storage: BatchStorage, job: int) -> frozenset[int]:
    """Return the shards of a job that are known to have a result for each record."""
    try:
        return frozenset(json.loads(storage.read(f"{_folder(storage, job)}{_COMPLETE}"))["shards"])
    except ObjectMissing:
        return frozenset()


def read_jobs(storage: BatchStorage) -> list[dict[str, Any]]:
    """Return the attempts of all jobs of a batch, for the HTTP API and the summary.

    Returns:
        For each attempt: `job` and `attempt` (numbers), `id` of Bedrock's job or null, `model`, `region`,
        `records`, `status`, `processed`, `answered` (as Bedrock counts them until the import),
        `recordsWithoutOutput` (which may be billed; null before the import) and `reason` or null.
    """
    attempts = attempts_of(storage)
    if not attempts:
        return []
    with ThreadPoolExecutor(min(S3_CONNECTIONS, len(attempts))) as pool:
        return list(pool.map(_described, attempts))


def summary_of_jobs(jobs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the `jobs` of a batch's summary: their number, statuses and reasons."""
    jobs = list(jobs)
    statuses: dict[str, int] = {}
    for described in jobs:
        statuses[described["status"]] = statuses.get(described["status"], 0) + 1
    reasons = dict.fromkeys(described["reason"] for described in jobs if described["reason"])
    return {"number": len(jobs), "statuses": statuses, "reasons": list(reasons)[:5]}


def unknown_answers(jobs: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of answers of jobs that may be billed and were not imported, after the batch.

    Args:
        jobs: as `read_jobs` returns them. One without an end could not be read or stopped.
    """
    found = 0
    for job in jobs:
        lost = job["recordsWithoutOutput"]
        found += (job["records"] if job["id"] else 0) if lost is None else lost
    return found


def _described(attempt: JobAttempt) -> dict[str, Any]:
    intent, status, arn = attempt.intent(), attempt.status(), attempt.arn()
    closed = attempt.read(CLOSED) or {} if attempt.is_closed else {}
    return {
        "job": attempt.job,
        "attempt": attempt.number,
        "id": job_id(arn) if arn else None,
        "model": intent.model,
        "region": intent.region,
        "records": intent.records,
        "status": closed.get("status") or status.status or "Submitted",
        "processed": status.processed,
        "answered": closed.get("answered", status.succeeded),
        "recordsWithoutOutput": closed.get("recordsWithoutOutput"),
        "reason": closed.get("reason") or status.message or None,
    }


def _folder(storage: BatchStorage, job: int) -> str:
    return storage.key(f"{BatchObject.JOBS}{job:05d}/")
