"""Read and write the objects of a batch in S3.

    batches/{batchId}/input.jsonl                          the requests of an inline input
                      options.json                         the options of the run
                      manifest.json                        the shards, as the items of the map state
                      lanes.json                           the lanes of the records, and why
                      jobs.json, map.json                  the managed batch jobs, and the shards beside them
                      rest.json                            the shards that have records left after the jobs
                      jobs/                                the files of the jobs, see `managed.job_files`
                      shards/00000.jsonl                   the records of a shard
                      results/00000/000001-a24-f1.jsonl    results of a shard, 24 answered and 1 failed
                      results/00000/000002-a0-f0.jsonl     cost of interrupted records, which run again
                      results/00000/000003-a9-f0-job.jsonl results of a managed batch job
                      runs/00001.json                      the first execution
                      ended/{execution}.json               why that run stopped before the last record
                      ended/{execution}/                   the four files below at the end of that run, if it
                                                           was stopped, failed or timed out
                      failures/{execution}/00000           failures of a shard, one byte for each
                      waiting/{execution}/2026…-00000      a shard that waits for quota until that time
                      told/{execution}.json                the event that reported that run's end
                      rejected.jsonl                       invalid lines of the input
                      results.jsonl, failed.jsonl          the results of all shards
                      summary.json                         the summary of the batch
                      report.html                          the summary and the figures as a page

A result part never changes after it is written, and its name contains the number of its results. So a
listing shows the progress of a shard without reading an object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.options import Options
from lambdas.batch.s3_objects import (
    ObjectMissing,
    list_objects,
    put_new_object,
    read_metadata,
    read_object,
    read_with_metadata,
)
from lambdas.contract import JSON_LINES_SUFFIX, BatchObject, BucketPrefix
from lambdas.shared import clients
from llmmanager.json_format.json_text import dump, dump_line

COUNTS = ("records", "answered", "failed", "rejected")
"""The numbers in the summary and in the progress of a batch."""

_PART_NAME = re.compile(
    rf"{BatchObject.RESULT_PARTS}(\d+)/(\d+)-a(\d+)-f(\d+)(-job)?{re.escape(JSON_LINES_SUFFIX)}"
)


@dataclass(frozen=True)
class Plan:
    """The result of planning a batch.

    Attributes:
        records: lines of the input that are not blank, rejected ones included.
        rejected: lines that are invalid.
        started_at: when the batch was first planned (UTC).
        quota_estimate: how long the batch takes under its quotas, as reported; None if they are unknown.
    """

    records: int
    rejected: int
    started_at: datetime
    quota_estimate: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ResultPart:
    """One file of results.

    Attributes:
        number: from 1 within its shard.
        answered, failed: number of results of each status.
        written_at: when it was written (UTC).
        from_job: whether the results are those of a managed batch job, which come all at once.
    """

    key: str
    shard: int
    number: int
    answered: int
    failed: int
    written_at: datetime
    from_job: bool = False


@dataclass(frozen=True)
class BatchStorage:
    """The objects of one batch.

    Attributes:
        interrupted_run: an execution that was stopped, failed or timed out. If given, the results, the
            summary and the report are those at the end of this run, instead of those of the batch.
    """

    bucket: str
    batch_id: str
    interrupted_run: str = ""

    def key(self, name: str) -> str:
        """Return the key of a file, such as `BatchObject.INPUT`."""
        return f"{BucketPrefix.BATCHES}{self.batch_id}/{name}"

    def uri(self, name: str) -> str:
        """Return the S3 URI of a file, such as `BatchObject.RESULTS`."""
        return f"s3://{self.bucket}/{self.key(name)}"

    def output(self, name: str) -> str:
        """Return the name of a file that `lambdas.batch.collect` writes, such as `BatchObject.RESULTS`."""
        return f"{BatchObject.STOP_REASONS}{self.interrupted_run}/{name}" if self.interrupted_run else name

    def shard_key(self, shard: int) -> str:
        """Return the key of a shard's records."""
        return self.key(f"{BatchObject.SHARDS}{shard:05d}{JSON_LINES_SUFFIX}")

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        clients.s3().put_object(Bucket=self.bucket, Key=key, Body=body)

    def writer(self, name: str) -> ObjectWriter:
        """Return a writer for a file, such as `BatchObject.RESULTS`."""
        return ObjectWriter(self.bucket, self.key(name))

    def read(self, key: str) -> bytes:
        """Return a small object, such as a shard or a part.

        Raises:
            ObjectMissing: the object does not exist.
        """
        return read_object(self.bucket, key)

    def read_part(self, part: ResultPart) -> tuple[bytes, Mapping[str, str]]:
        """Return the results of a part, and its metadata."""
        return read_with_metadata(self.bucket, part.key)

    def put_input(self, requests: Iterable[Any]) -> None:
        """Store the records of an inline input as an input file."""
        with self.writer(BatchObject.INPUT) as writer:
            for request in requests:
                writer.write(dump_line(request))

    def put_manifest(self, manifest: Sequence[Mapping[str, Any]], plan: Plan) -> None:
        """Write the shards for Step Functions, with the figures of the plan as metadata."""
        figures = {
            "records": str(plan.records),
            "rejected": str(plan.rejected),
            "started-at": plan.started_at.isoformat(),
        }
        if plan.quota_estimate is not None:
            figures["quota-estimate"] = json.dumps(plan.quota_estimate)
        clients.s3().put_object(
            Bucket=self.bucket, Key=self.key(BatchObject.MANIFEST), Body=dump(manifest), Metadata=figures
        )

    def manifest(self) -> list[dict[str, Any]]:
        """Return the planned shards."""
        shards: list[dict[str, Any]] = json.loads(self.read(self.key(BatchObject.MANIFEST)))
        return shards

    def plan(self) -> Plan:
        """Return the figures of the plan.

        Raises:
            ObjectMissing: the batch is not planned yet.
        """
        figures = read_metadata(self.bucket, self.key(BatchObject.MANIFEST))
        started_at = datetime.fromisoformat(figures["started-at"])
        estimate = json.loads(figures.get("quota-estimate", "null"))
        return Plan(int(figures["records"]), int(figures["rejected"]), started_at, estimate)

    def put_lanes(self, lanes: Mapping[str, Any]) -> None:
        """Write the lanes of the batch, as the plan has chosen them."""
        self.put(self.key(BatchObject.LANES), dump(lanes))

    def lanes(self) -> dict[str, Any] | None:
        """Return the lanes of the batch; None before the plan, and for one of an earlier version."""
        try:
            lanes: dict[str, Any] = json.loads(self.read(self.key(BatchObject.LANES)))
        except ObjectMissing:
            return None
        return lanes

    def put_items(self, name: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Write the items of a map state, such as `BatchObject.MAP`."""
        self.put(self.key(name), dump(items))

    def put_options(self, options: Options) -> None:
        """Store the options of the run."""
        self.put(self.key(BatchObject.OPTIONS), dump(options.to_json()))

    def options(self) -> Options:
        """Return the stored options."""
        return Options.from_json(json.loads(self.read(self.key(BatchObject.OPTIONS))))

    def put_stop_reason(self, run: str, error: Mapping[str, Any]) -> None:
        """Stop a run. `error` becomes the error of the records that have not started."""
        self.put(self.key(f"{BatchObject.STOP_REASONS}{run}.json"), dump(error))

    def stop_reason(self, run: str) -> dict[str, Any] | None:
        """Return the error of a stopped run, or None."""
        try:
            error: dict[str, Any] = json.loads(self.read(self.key(f"{BatchObject.STOP_REASONS}{run}.json")))
        except ObjectMissing:
            return None
        return error

    def put_failures(self, run: str, shard: int, count: int) -> None:
        """Record how many records of a shard have failed in a run.

        The number is the length of an object, so that one listing returns those of all shards.
        """
        self.put(self.key(f"{BatchObject.FAILURES}{run}/{shard:05d}"), b"." * count)

    def failures(self, run: str) -> dict[int, int]:
        """Return the number of failures in a run by shard, without the shards that have none."""
        prefix = self.key(f"{BatchObject.FAILURES}{run}/")
        return {
            int(listed["Key"].removeprefix(prefix)): listed["Size"]
            for listed in list_objects(self.bucket, prefix)
        }

    def put_end_event(self, run: str, event: Mapping[str, Any]) -> None:
        """Record the event that reported a run's end."""
        self.put(self.key(f"{BatchObject.END_EVENTS}{run}.json"), dump(event))

    def has_end_event(self, run: str) -> bool:
        """Whether the event of a run's end was recorded."""
        try:
            self.read(self.key(f"{BatchObject.END_EVENTS}{run}.json"))
        except ObjectMissing:
            return False
        return True

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Yield the invalid lines of the input. One line is in memory."""
        body = clients.s3().get_object(Bucket=self.bucket, Key=self.key(BatchObject.REJECTED))["Body"]
        with closing(body):
            yield from map(json.loads, body.iter_lines())

    def put_report(self, page: bytes) -> None:
        """Write the report."""
        clients.s3().put_object(
            Bucket=self.bucket,
            Key=self.key(self.output(BatchObject.REPORT)),
            Body=page,
            ContentType="text/html; charset=utf-8",
        )

    def put_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary."""
        self.put(self.key(self.output(BatchObject.SUMMARY)), dump(summary))

    def summary(self) -> dict[str, Any]:
        """Return the summary.

        Raises:
            ObjectMissing: the batch has not ended.
        """
        summary: dict[str, Any] = json.loads(self.read(self.key(self.output(BatchObject.SUMMARY))))
        return summary

    def result_uris(self, summary: Mapping[str, Any]) -> dict[str, str]:
        """Return the S3 URIs of the files that users read, as the HTTP API and the end event report them.

        Args:
            summary: the batch's. A batch of an earlier version of the stack has no report.
        """
        report = {"report": self.uri(self.output(BatchObject.REPORT))} if summary.get("report") else {}
        return {
            "results": self.uri(self.output(BatchObject.RESULTS)),
            "failed": self.uri(self.output(BatchObject.FAILED_RESULTS)),
            "rejected": self.uri(BatchObject.REJECTED),
            "summary": self.uri(self.output(BatchObject.SUMMARY)),
            **report,
        }

    def parts(self, shard: int | None = None) -> Iterator[ResultPart]:
        """Yield the result parts of one shard, or of all, in the order of shards and numbers."""
        prefix = self.key(BatchObject.RESULT_PARTS + ("" if shard is None else f"{shard:05d}/"))
        for listed in list_objects(self.bucket, prefix):
            named = _PART_NAME.fullmatch(listed["Key"].removeprefix(self.key("")))
            if named:
                shard_, number, answered, failed = map(int, named.groups()[:4])
                at, from_job = listed["LastModified"], bool(named[5])
                yield ResultPart(listed["Key"], shard_, number, answered, failed, at, from_job)

    def last_answer_at(self) -> datetime | None:
        """Return when the last answer of the batch was written, or None without an answer."""
        return max((part.written_at for part in self.parts() if part.answered), default=None)

    def add_part(
        self,
        shard: int,
        lines: Sequence[bytes],
        *,
        number: int,
        answered: int,
        failed: int,
        from_job: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Write results as a new part of a shard. Existing parts are never overwritten.

        A worker that is considered lost may still write while its successor runs. If the name exists, the
        part gets the next number.

        Args:
            from_job: whether the results are those of a managed batch job.
            metadata: the metadata of the object, in ASCII.

        Returns:
            The number of the part: `number` or higher.
        """
        while True:
            job = "-job" if from_job else ""
            name = f"{number:06d}-a{answered}-f{failed}{job}{JSON_LINES_SUFFIX}"
            key = self.key(f"{BatchObject.RESULT_PARTS}{shard:05d}/{name}")
            if put_new_object(self.bucket, key, b"".join(lines), metadata=metadata):
                return number
            number += 1
