"""The records of a shard without a result."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

from lambdas.batch.parts import PartWriter
from lambdas.batch.stop_signal import StopSignal
from lambdas.batch.worker_watch import WorkerWatch
from llmmanager import BedrockConverseRequest
from llmmanager.batch_files.flex_tier import with_flex_tier
from llmmanager.batch_files.results import missed_result
from llmmanager.batch_files.shared_prefixes import SharedPrefixes
from llmmanager.batch_lanes.record_needs import managed_obstacle
from llmmanager.json_format.codec import InvalidRequest, decode_record


def invalid_record_error(error: InvalidRequest) -> dict[str, Any]:
    """Return the `error` of an invalid record."""
    return {"type": "InvalidRequest", "code": None, "message": str(error)}


class PendingRecords:
    """The records of a shard without a result, as requests, as long as there is time to start them.

    Args:
        prepare: returns a request as it is sent, or raises InvalidRequest.
        in_flex: whether records that can use the flex tier are sent in it.
        skips_managed: whether to leave out records that can run in a managed batch job.
        tried_last: whether records that an earlier invocation has tried come after the others. So records of
            one model can be answered while those of another model wait for quota.
        cached: whether records with the same long prompt get cache points.

    Attributes:
        is_done: whether no record is left to start in a later invocation.
    """

    def __init__(
        self,
        shard: bytes,
        parts: PartWriter,
        watch: WorkerWatch,
        stop_signal: StopSignal,
        *,
        prepare: Callable[[BedrockConverseRequest], BedrockConverseRequest],
        model_ids: tuple[str, ...] = (),
        in_flex: bool = False,
        skips_managed: bool = False,
        tried_last: bool = False,
        cached: bool = False,
    ) -> None:
        self.is_done = False
        self._in_flex = in_flex
        self._skips_managed = skips_managed
        self._shard = shard
        self._parts = parts
        self._watch = watch
        self._stop_signal = stop_signal
        self._prepare = prepare
        self._model_ids = model_ids
        self._tried_last = tried_last
        self._cached = cached

    def requests(self) -> Iterator[BedrockConverseRequest]:
        """Yield each record once, as a request, with lower `priority` numbers first."""
        return self._requests(self._records(), in_flex=self._in_flex)

    def requests_on_demand(self, ids: Collection[str]) -> Iterator[BedrockConverseRequest]:
        """Yield the records with these ids again, on demand."""
        records = (record for record in self._records() if record["recordId"] in ids)
        return self._requests(records, in_flex=False)

    def _requests(
        self, records: Iterable[dict[str, Any]], *, in_flex: bool
    ) -> Iterator[BedrockConverseRequest]:
        self.is_done = False
        shared = self._shared_prefixes()
        for record in records:
            if self._stop_signal.is_set():
                break
            if self._parts.write_failed or not self._watch.may_start():
                return
            try:
                request = self._prepare(
                    decode_record(record, default_id=record["recordId"], model_ids=self._model_ids)
                )
            except InvalidRequest as error:
                # An earlier version of the stack has accepted the record.
                self.fail(record, invalid_record_error(error))
                continue
            if shared is not None and shared.has(record["modelInput"]):
                request = replace(request, prompt_cache="auto")
            yield with_flex_tier(request) if in_flex else request
        self.is_done = True

    def fail_all(self, error: dict[str, Any]) -> None:
        """Add a failed result with this error for every record without a result."""
        for record in self._records():
            self.fail(record, error)
        self.is_done = True

    def fail(self, record: dict[str, Any], error: dict[str, Any]) -> None:
        """Add a failed result for a record that does not run."""
        self._parts.add(missed_result(record, error))
        self._stop_signal.add_outcome(success=False)

    def _shared_prefixes(self) -> SharedPrefixes | None:
        """Return the prompts that several records share, or None if they get no cache points."""
        if not (self._cached and self._model_ids):
            return None
        shared = SharedPrefixes(self._model_ids[0])
        if not shared.can_cache:
            return None
        for line in BytesIO(self._shard):
            if b'"system"' in line or b'"toolConfig"' in line:  # Others can be large, and need no parsing.
                record = json.loads(line)
                if self._is_pending(record):
                    shared.add(record["modelInput"])
        return shared

    def _records(self) -> Iterator[dict[str, Any]]:
        for line in sorted(BytesIO(self._shard), key=self._sort_key):
            record = json.loads(line)
            if self._is_pending(record):
                yield record

    def _is_pending(self, record: Mapping[str, Any]) -> bool:
        if record["recordId"] in self._parts.statuses:
            return False
        return not (self._skips_managed and managed_obstacle(record["modelInput"]) is None)

    def _sort_key(self, line: bytes) -> tuple[bool, int]:
        record = json.loads(line)
        tried = self._tried_last and record["recordId"] in self._parts.interrupted
        return tried, record["modelInput"].get("priority") or 0
