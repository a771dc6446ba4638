"""The records of a shard that have no result yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lambdas.batch.early_end import EarlyEnd
from lambdas.batch.parts import PartWriter
from lambdas.batch.results import missed_result
from lambdas.batch.worker_watch import WorkerWatch
from lambdas.shared.codec import InvalidRequest, decode_record
from llmmanager import BedrockConverseRequest


class PendingRecords:
    """Hands out the records of a shard that have no result yet, while there is time to start them.

    Args:
        tried_last: whether records that were tried before, without a result, come after the others. It lets
            the records of one model be answered while those of another wait for its quota.

    Attributes:
        over: whether all were handed out that are to be run; False when an invocation's time ended first.
    """

    def __init__(
        self,
        shard: bytes,
        parts: PartWriter,
        watch: WorkerWatch,
        early_end: EarlyEnd,
        *,
        model_ids: tuple[str, ...] = (),
        tried_last: bool = False,
    ) -> None:
        self.over = False
        self._shard = shard
        self._parts = parts
        self._watch = watch
        self._early_end = early_end
        self._model_ids = model_ids
        self._tried_last = tried_last

    def requests(self) -> Iterator[BedrockConverseRequest]:
        """Each record once, as a request; those of a lower `priority` number first."""
        for record in self._records():
            if self._early_end.due():
                break
            if self._parts.write_failed or not self._watch.may_start():
                return
            try:
                request = decode_record(record, default_id=record["recordId"], model_ids=self._model_ids)
            except InvalidRequest as error:
                # The plan took it, by the rules of an earlier deployment; the others are run nevertheless.
                self.fail(record, {"type": "InvalidRequest", "code": None, "message": str(error)})
                continue
            yield request
        self.over = True

    def fail_all(self, error: dict[str, Any]) -> None:
        """Let every record that has no result fail with this error."""
        for record in self._records():
            self.fail(record, error)
        self.over = True

    def fail(self, record: dict[str, Any], error: dict[str, Any]) -> None:
        """Let a record fail that is not run."""
        self._parts.add(missed_result(record, error))
        self._early_end.note(success=False)

    def _records(self) -> Iterator[dict[str, Any]]:
        for line in sorted(BytesIO(self._shard), key=self._rank):
            record = json.loads(line)
            if record["recordId"] not in self._parts.statuses:
                yield record

    def _rank(self, line: bytes) -> tuple[bool, int]:
        record = json.loads(line)
        tried = self._tried_last and record["recordId"] in self._parts.interrupted
        return tried, record["modelInput"].get("priority") or 0
