"""The objects of a batch in S3.

    batches/{batchId}/input.jsonl                          the inline requests, if there are any
                      options.json                         the options of the batch
                      manifest.json                        the shards, for the map of Step Functions
                      shards/00000.jsonl                   the records of a shard
                      results/00000/000001-a24-f1.jsonl    results of a shard, 24 answered and 1 failed
                      results/00000/000002-a0-f0.jsonl     usage and cost of interrupted records
                      runs/00001.json                      the first execution of the batch
                      ended/{execution}.json               why that run ended early
                      failures/{execution}/00000           failures of a shard in that run, one byte each
                      waiting/{execution}/2026…-00000      a shard that waits for quota until then
                      told/{execution}.json                the event that reported that run's end
                      rejected.jsonl                       invalid lines of the input
                      results.jsonl, failed.jsonl          the results of all shards
                      summary.json                         the summary of the batch

A part of results never changes, and its name has the number of its results. So a list of the parts shows the
progress of a shard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.options import Options
from lambdas.shared import clients
from lambdas.shared.json_text import dump, dump_line

INPUT = "input.jsonl"
MANIFEST = "manifest.json"
OPTIONS = "options.json"
REJECTED = "rejected.jsonl"
RESULTS = "results.jsonl"
FAILED_RESULTS = "failed.jsonl"
SUMMARY = "summary.json"

BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")

_PART_NAME = re.compile(r"results/(\d+)/(\d+)-a(\d+)-f(\d+)\.jsonl")
_MISSING = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
_CHUNK_BYTES = 1024 * 1024
_MOMENT = "%Y%m%dT%H%M%S.%fZ"


class NotThere(Exception):
    """The object does not exist."""


@dataclass(frozen=True)
class Plan:
    """The result of the plan.

    Attributes:
        records: number of lines in the input that are not blank, including rejected ones.
        rejected: number of invalid lines.
        started_at: when the batch was first planned (UTC).
        quota_estimate: how long the quotas make the batch, as it is reported; None if they are unknown.
    """

    records: int
    rejected: int
    started_at: datetime
    quota_estimate: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Part:
    """A file of results.

    Attributes:
        number: its number in the shard, from 1.
        answered, failed: number of results with this status.
        written_at: when it was written (UTC).
    """

    key: str
    shard: int
    number: int
    answered: int
    failed: int
    written_at: datetime


@dataclass(frozen=True)
class WaitingShards:
    """The shards of a run that wait for quota.

    Attributes:
        shards: number of waiting shards.
        shortage: the quota for which the shard waits that continues last: "per_minute" or "per_day".
        since: when that shard started to wait.
        until: when the first shard continues.
    """

    shards: int
    shortage: str
    since: str
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """Return what `GET /v1/batches/{id}` reports."""
        return {
            "shards": self.shards,
            "quota": self.shortage,
            "since": self.since,
            "nextAttemptAt": self.until.isoformat(),
        }


@dataclass(frozen=True)
class Run:
    """An execution that has claimed the batch.

    Attributes:
        number: the number of the run, from 1.
        execution: the name of the execution.
        refused: whether its plan rejected the input, so that it changed nothing.
    """

    number: int
    execution: str
    refused: bool = False


@dataclass(frozen=True)
class BatchStorage:
    """The objects of one batch."""

    bucket: str
    batch_id: str

    def key(self, name: str) -> str:
        """Return the key of one of the names above."""
        return f"batches/{self.batch_id}/{name}"

    def uri(self, name: str) -> str:
        """Return the S3 URI of one of the names above."""
        return f"s3://{self.bucket}/{self.key(name)}"

    def shard_key(self, shard: int) -> str:
        """Return the key of a shard."""
        return self.key(f"shards/{shard:05d}.jsonl")

    def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        clients.s3().put_object(Bucket=self.bucket, Key=key, Body=body)

    def writer(self, name: str) -> ObjectWriter:
        """Return a writer for one of the names above."""
        return ObjectWriter(self.bucket, self.key(name))

    def read(self, key: str) -> bytes:
        """Return a whole object, which must be small: a shard or a part.

        Raises:
            NotThere: the object does not exist.
        """
        with _missing_as_not_there(key):
            body: bytes = clients.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def put_input(self, requests: Iterable[Any]) -> None:
        """Write inline records as an input file."""
        with self.writer(INPUT) as writer:
            for request in requests:
                writer.write(dump_line(request))

    def put_manifest(self, manifest: Sequence[Mapping[str, Any]], plan: Plan) -> None:
        """Write the shards for Step Functions, with the plan as metadata of the object."""
        figures = {
            "records": str(plan.records),
            "rejected": str(plan.rejected),
            "started-at": plan.started_at.isoformat(),
        }
        if plan.quota_estimate is not None:
            figures["quota-estimate"] = json.dumps(plan.quota_estimate)
        clients.s3().put_object(
            Bucket=self.bucket, Key=self.key(MANIFEST), Body=dump(manifest), Metadata=figures
        )

    def manifest(self) -> list[dict[str, Any]]:
        """Return the planned shards."""
        shards: list[dict[str, Any]] = json.loads(self.read(self.key(MANIFEST)))
        return shards

    def plan(self) -> Plan:
        """Return the plan.

        Raises:
            NotThere: the batch has no plan yet.
        """
        key = self.key(MANIFEST)
        with _missing_as_not_there(key):
            metadata = clients.s3().head_object(Bucket=self.bucket, Key=key)["Metadata"]
        started_at = datetime.fromisoformat(metadata["started-at"])
        estimate = json.loads(metadata.get("quota-estimate", "null"))
        return Plan(int(metadata["records"]), int(metadata["rejected"]), started_at, estimate)

    def put_options(self, options: Options) -> None:
        """Write the options of the batch."""
        self.put(self.key(OPTIONS), dump(options.to_json()))

    def options(self) -> Options:
        """Return the options of the batch."""
        return Options.from_json(json.loads(self.read(self.key(OPTIONS))))

    def add_run(self, run: Run) -> bool:
        """Write a new run, and return whether its number was available."""
        return self._put_new(self._run_key(run.number), _encoded_run(run))

    def mark_refused(self, run: Run) -> None:
        """Record that the plan of a run rejected its input."""
        self.put(self._run_key(run.number), _encoded_run(replace(run, refused=True)))

    def latest_run(self) -> tuple[int, Run | None]:
        """Return the number of runs, and the last one that was not rejected, or the last one if all were."""
        prefix = self.key("runs/")
        keys = list(keys_below(self.bucket, prefix))
        last: Run | None = None
        for key in reversed(keys):
            found = json.loads(self.read(key))
            run = Run(
                int(key.removeprefix(prefix).removesuffix(".json")), found["execution"], found["refused"]
            )
            if not run.refused:
                return len(keys), run
            last = last or run
        return len(keys), last

    def run_started_at(self) -> datetime:
        """Return when the latest run has claimed the batch (UTC)."""
        listed = clients.s3().list_objects_v2(Bucket=self.bucket, Prefix=self.key("runs/"))
        started: datetime = max(entry["LastModified"] for entry in listed["Contents"])
        return started

    def _run_key(self, number: int) -> str:
        return self.key(f"runs/{number:05d}.json")

    def put_early_end(self, run: str, error: Mapping[str, Any]) -> None:
        """Record that a run ends early. `error` is the error of the records that were not run."""
        self.put(self.key(f"ended/{run}.json"), dump(error))

    def early_end(self, run: str) -> dict[str, Any] | None:
        """Return the error of a run that ends early, or None."""
        try:
            error: dict[str, Any] = json.loads(self.read(self.key(f"ended/{run}.json")))
        except NotThere:
            return None
        return error

    def put_failures(self, run: str, shard: int, count: int) -> None:
        """Record how many records of a shard have failed in a run, as the size of an object.

        So one list request returns the counts of all shards.
        """
        self.put(self.key(f"failures/{run}/{shard:05d}"), b"." * count)

    def failures(self, run: str) -> dict[int, int]:
        """Return the number of failures by shard, without shards that have none."""
        prefix = self.key(f"failures/{run}/")
        pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {
            int(listed["Key"].removeprefix(prefix)): listed["Size"]
            for page in pages
            for listed in page.get("Contents", ())
        }

    def put_waiting(self, run: str, shard: int, wait: Mapping[str, str], until: datetime) -> None:
        """Record that a shard waits for quota until a time, as `{"shortage", "since"}`.

        The keys have the order of these times, so that one list request finds the shards that still wait.
        """
        self.put(self.key(f"waiting/{run}/{until:{_MOMENT}}-{shard:05d}"), dump(wait))

    def waiting(self, run: str, now: datetime) -> WaitingShards | None:
        """Return the shards that wait for quota, or None."""
        prefix = self.key(f"waiting/{run}/")
        keys = list(keys_below(self.bucket, prefix, after=f"{prefix}{now:{_MOMENT}}"))
        if not keys:
            return None
        shards = {key.rpartition("-")[2] for key in keys}
        found = json.loads(self.read(keys[-1]))
        first = keys[0].removeprefix(prefix).rpartition("-")[0]
        until = datetime.strptime(first, _MOMENT).replace(tzinfo=UTC)
        return WaitingShards(len(shards), found["shortage"], found["since"], until)

    def put_told(self, run: str, event: Mapping[str, Any]) -> None:
        """Record the event that reported a run's end."""
        self.put(self.key(f"told/{run}.json"), dump(event))

    def is_told(self, run: str) -> bool:
        """Whether the event of a run's end was recorded."""
        try:
            self.read(self.key(f"told/{run}.json"))
        except NotThere:
            return False
        return True

    def put_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary."""
        self.put(self.key(SUMMARY), dump(summary))

    def summary(self) -> dict[str, Any]:
        """Return the summary.

        Raises:
            NotThere: the batch has not finished.
        """
        summary: dict[str, Any] = json.loads(self.read(self.key(SUMMARY)))
        return summary

    def parts(self, shard: int | None = None) -> Iterator[Part]:
        """Yield the parts of one shard or of all shards, in the order of shards and numbers."""
        prefix = self.key("results/" if shard is None else f"results/{shard:05d}/")
        pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for listed in page.get("Contents", ()):
                named = _PART_NAME.fullmatch(listed["Key"].removeprefix(self.key("")))
                if named:
                    shard_, number, answered, failed = map(int, named.groups())
                    yield Part(listed["Key"], shard_, number, answered, failed, listed["LastModified"])

    def last_answer_at(self) -> datetime | None:
        """Return when the batch's last answer was written, or None without an answer."""
        return max((part.written_at for part in self.parts() if part.answered), default=None)

    def add_part(self, shard: int, lines: Sequence[bytes], *, number: int, answered: int, failed: int) -> int:
        """Write results as a new part of a shard. An existing part is never replaced.

        An earlier worker of the shard may still be writing. If the name exists, the next number is used.

        Returns:
            The number of the part: `number` or higher.
        """
        while True:
            name = f"results/{shard:05d}/{number:06d}-a{answered}-f{failed}.jsonl"
            if self._put_new(self.key(name), b"".join(lines)):
                return number
            number += 1

    def _put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless it exists, and return whether it was written."""
        try:
            clients.s3().put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            return False
        return True


def _encoded_run(run: Run) -> bytes:
    return dump({"execution": run.execution, "refused": run.refused})


def stream(bucket: str, key: str) -> Iterator[bytes]:
    """Return the chunks of an object of any size. The object is requested before the first chunk is read.

    Raises:
        ClientError: the object does not exist or cannot be read.
    """
    body = clients.s3().get_object(Bucket=bucket, Key=key)["Body"]
    chunks: Iterator[bytes] = body.iter_chunks(_CHUNK_BYTES)
    return chunks


def keys_below(bucket: str, prefix: str, *, after: str = "") -> Iterator[str]:
    """Yield the keys with a prefix, in order, optionally only those after a key.

    Raises:
        ClientError: the bucket does not exist or cannot be listed.
    """
    where = {"Bucket": bucket, "Prefix": prefix, **({"StartAfter": after} if after else {})}
    for page in clients.s3().get_paginator("list_objects_v2").paginate(**where):
        yield from (listed["Key"] for listed in page.get("Contents", ()))


@contextmanager
def _missing_as_not_there(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        raise NotThere(f"there is no object {key}") from error
