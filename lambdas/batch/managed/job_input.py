"""The input of a managed batch job: the pending records of its shards that can run in a job.

A record has an id of its own in the job, so that no id of a user leaves the account's bucket and none is too
long for Bedrock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from lambdas.batch.managed.job_budget import RecordBounds
from lambdas.batch.managed.job_files import JobAttempt
from lambdas.batch.managed.job_results import ShardResults
from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.storage import BatchStorage
from lambdas.usage.caller import Caller
from lambdas.usage.charged_request import with_max_tokens, with_metadata
from llmmanager import BedrockConverseRequest, RequestValidationError
from llmmanager.batch_lanes.job_limits import MAX_INPUT_BYTES, MAX_JOB_RECORDS
from llmmanager.batch_lanes.record_needs import managed_obstacle
from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.transport.json_body import json_body
from llmmanager.bedrock.validation.request import build_request
from llmmanager.json_format.codec import InvalidRequest, decode_record
from llmmanager.json_format.json_text import dump_line


class TooFewRecords(Exception):
    """A job has too few pending records for Bedrock."""


@dataclass(frozen=True, slots=True)
class IndexedRecord:
    """What the import needs of a record of a job.

    Attributes:
        shard: the number of its shard.
        record_id: its id in the batch.
        team: the team in its own `requestMetadata`; empty without one.
    """

    shard: int
    record_id: str
    team: str


class JobComposer:
    """Writes the input of jobs for one caller and model.

    Args:
        target: the model as the job calls it.
        has_budget: whether a budget applies to the caller, so that each record needs `maxTokens`.
    """

    def __init__(self, caller: Caller, target: ModelAccess, *, batch_id: str, has_budget: bool) -> None:
        self._caller = caller
        self._target = target
        self._batch_id = batch_id
        self._has_budget = has_budget

    def write(
        self, attempt: JobAttempt, token: str, *, results: Mapping[int, ShardResults], min_records: int
    ) -> RecordBounds:
        """Write the input and its index, and return the bounds of its records.

        One shard and the index are in memory.

        Args:
            results: the results of the shards of the job.

        Raises:
            TooFewRecords: fewer than `min_records` are pending. Nothing was written.
        """
        storage, bounds = attempt.storage, RecordBounds()
        index, size = bytearray(), 0
        with ObjectWriter(storage.bucket, attempt.input_key(token)) as writer:
            for own_id, record in self._pending(storage, results):
                request = self._request(record)
                if request is None:
                    continue
                fields, body = request
                line = b'{"recordId":"%b","modelInput":%b}\n' % (own_id.encode(), body)
                size += len(line)
                if bounds.records == MAX_JOB_RECORDS or size > MAX_INPUT_BYTES:
                    # The others run in the next attempt, or on demand.
                    break
                writer.write(line)
                bounds.add(self._target, fields, body)
                index += dump_line([own_id, record["recordId"], _team_of(record)])
            if bounds.records < min_records:
                raise TooFewRecords
        storage.put(attempt.index_key(token), bytes(index))
        return bounds

    def _pending(
        self, storage: BatchStorage, results: Mapping[int, ShardResults]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for found in results.values():
            for own_id, record in pending_records(storage, found):
                if managed_obstacle(record["modelInput"]) is None:
                    yield own_id, record

    def _request(self, record: dict[str, Any]) -> tuple[Mapping[str, Any], bytes] | None:
        """Return the Converse request of a record, and its JSON; None if only a worker can run it."""
        models = (self._target.model_id,)
        try:
            decoded: BedrockConverseRequest = decode_record(
                record, default_id=record["recordId"], model_ids=models
            )
            request = with_metadata(decoded, self._caller, batch_id=self._batch_id)
            if self._has_budget:
                request = with_max_tokens(request, models)
            fields = build_request(request.to_converse_args(), model_ids=models).fields
            return fields, json_body(fields)
        except (InvalidRequest, RequestValidationError):
            return None


def pending_records(storage: BatchStorage, results: ShardResults) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records of a shard without a result, each with its id in jobs."""
    for number, line in enumerate(BytesIO(storage.read(storage.shard_key(results.shard))), start=1):
        record = json.loads(line)
        if record["recordId"] not in results.finished:
            yield f"{results.shard:05d}-{number:06d}", record


def read_index(lines: Iterable[bytes]) -> dict[str, IndexedRecord]:
    """Return the records of a job by their ids in the job, in the order of the input."""
    index = {}
    for line in lines:
        own_id, record_id, team = json.loads(line)
        index[own_id] = IndexedRecord(int(own_id.partition("-")[0]), record_id, team)
    return index


def _team_of(record: Mapping[str, Any]) -> str:
    team = (record["modelInput"].get("requestMetadata") or {}).get("team")
    return team if isinstance(team, str) else ""
