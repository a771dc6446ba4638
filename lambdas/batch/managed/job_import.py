"""Import the output of a managed batch job as results of its shards.

The output is read as a stream. When the results in memory are written, the position in the output is, too.
After a crash in between, the lines are read again, and results that a part has are not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, Final

from lambdas.batch.managed.import_progress import ImportProgress
from lambdas.batch.managed.job_budget import batch_cost
from lambdas.batch.managed.job_files import IMPORT, JobAttempt, JobIntent, JobStatus, job_id
from lambdas.batch.managed.job_input import IndexedRecord, read_index
from lambdas.batch.managed.job_output import OutputRecord, parse_line, read_lines
from lambdas.batch.managed.job_results import ShardResults
from lambdas.batch.managed.result_parts import ResultParts
from lambdas.batch.options import Options
from lambdas.shared.function_log import log_payload, log_unexpected
from lambdas.shared.metrics import Tally
from lambdas.usage.usage_rows import usage_rows
from llmmanager import BedrockConverseRequest, BedrockResponse, RequestAttempt
from llmmanager.batch_files.results import interrupted_result, result_of
from llmmanager.batch_lanes.lane import Lane
from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.invocation.answer_validation import validated
from llmmanager.bedrock.models.usage import token_counts

_LINES_PER_CHECK: Final = 100


@dataclass(frozen=True, slots=True)
class JobAnswers:
    """Turns the answers of a job into responses as the library returns them.

    Attributes:
        target: the model as the job called it.
        ended_at: when the job ended.
    """

    target: ModelAccess
    ended_at: datetime

    def response(self, answer: dict[str, Any]) -> BedrockResponse:
        """Return the response with an answer, with one attempt at the price of a job."""
        target, counts = self.target, token_counts(answer.get("usage"))
        latency = (answer.get("metrics") or {}).get("latencyMs")
        milliseconds = latency if isinstance(latency, int | float) else 0
        attempt = RequestAttempt(
            target.model_id,
            target.region,
            target.access_method,
            attempt_number=1,
            start_time=self.ended_at - timedelta(milliseconds=milliseconds),
            end_time=self.ended_at,
            success=True,
            invoke_id=target.invoke_id,
            usage=counts,
            estimated_cost_usd=batch_cost(target, answer["usage"]) if counts is not None else None,
        )
        return BedrockResponse(
            success=True,
            response_data=answer,
            model_used=target.model_id,
            region_used=target.region,
            access_method=target.access_method,
            inference_profile_id=target.inference_profile_id,
            attempts=[attempt],
            total_duration_ms=float(milliseconds),
        )


class JobImport:
    """The import of the output of one attempt, in one invocation.

    Args:
        results: the results of the shards of the job.
        may_continue: whether there is time for further lines.
    """

    def __init__(
        self,
        attempt: JobAttempt,
        *,
        intent: JobIntent,
        arn: str,
        status: JobStatus,
        target: ModelAccess,
        options: Options,
        results: Mapping[int, ShardResults],
        may_continue: Callable[[], bool],
    ) -> None:
        self._attempt = attempt
        self._id = job_id(arn)
        self._answers = JobAnswers(target, datetime.fromisoformat(status.ended_at))
        self._payer = options.payer()
        self._rules = options.rules()
        self._results = results
        self._may_continue = may_continue
        index = attempt.storage.read(attempt.index_key(intent.token))
        self._index = read_index(BytesIO(index))
        self._numbers = {own_id: number for number, own_id in enumerate(self._index)}
        self._parts = ResultParts(attempt.storage, results)
        self.progress = ImportProgress.from_json(attempt.read(IMPORT))

    def run(self, files: Sequence[str]) -> bool:
        """Import files, and return whether all of them are imported.

        Raises:
            BotoCoreError, ClientError: S3 failed. The next invocation continues.
        """
        with Tally(entry_point="batch", caller=self._payer) as tally:
            for key in files:
                if key < self.progress.key:
                    continue
                if key > self.progress.key:
                    self.progress.key, self.progress.offset = key, 0
                if not self._run_file(key, tally):
                    return False
        return True

    def _run_file(self, key: str, tally: Tally) -> bool:
        lines = read_lines(self._attempt.storage.bucket, key, offset=self.progress.offset)
        for number, (line, offset) in enumerate(lines, start=1):
            self._add_line(line, tally)
            self.progress.offset = offset
            if self._parts.is_full:
                self._save()
            if number % _LINES_PER_CHECK == 0 and not self._may_continue():
                self._save()
                return False
        self._save()
        return True

    def _save(self) -> None:
        """Write the results, and then the position in the output after them."""
        self._parts.write()
        self._attempt.write(IMPORT, self.progress.to_json())

    def _add_line(self, line: bytes, tally: Tally) -> None:
        if not line.strip():
            return
        found = parse_line(line)
        record = self._index.get(found.own_id) if found is not None else None
        if found is None:
            self.progress.unreadable += 1
        elif record is None:
            self.progress.unknown += 1
        elif found.answer is None:
            # The record is not marked as seen: another line may have its answer.
            self.progress.errors[found.error_code] += 1
        elif self.progress.see(self._numbers[found.own_id]):
            try:
                self._add_answer(record, found, tally)
            except Exception as error:
                # An answer in an unknown form must not stop the import of the others.
                log_unexpected(error)
                self.progress.unreadable += 1

    def _add_answer(self, record: IndexedRecord, found: OutputRecord, tally: Tally) -> None:
        response = self._answers.response(found.answer or {})
        if self._rules is not None:
            response = validated(self._rules, response)
        result = self._result(record, found, response)
        rows = usage_rows(response, self._payer, {}, has_ended=response.success)
        self.progress.add_answer(response, rows)
        shard = self._results[record.shard]
        if self._id in shard.imported.get(record.record_id, ()):
            # An invocation wrote it, and stopped before it wrote the position in the output.
            return
        self._parts.add(record.shard, result)
        if response.success:
            tally.add(response)
        else:
            tally.add_attempts(response)

    def _result(
        self, record: IndexedRecord, found: OutputRecord, response: BedrockResponse
    ) -> dict[str, Any]:
        request = BedrockConverseRequest(
            record.record_id,
            messages=found.messages,
            request_metadata={"team": record.team} if record.team else None,
        )
        if response.success:
            log_payload(request, response)
            result = result_of(request, response, lane=Lane.MANAGED)
        else:
            result = {**interrupted_result(request, response), "lane": Lane.MANAGED.value}
        if self._payer.team:
            result["team"] = self._payer.team
        return {**result, "job": self._id}
