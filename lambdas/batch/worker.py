"""The middle step of a batch: the records of one shard answered, as many as there is time for.

        ┌────────────────────────── done: false ◄──────────────────────────┐
        ▼                                                                  │
    read the parts ─► run what is in none of them ─► write parts as answers come ─► done: true

What is done stands in the parts and nowhere else. So a worker that was killed, is retried, or was started
twice goes on where the parts end, and no answer that was written is paid for again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.results import ANSWERED, FAILED, result_of
from lambdas.batch.storage import BatchStorage
from lambdas.shared.codec import decode_record
from lambdas.shared.json_text import dump_line
from lambdas.shared.manager import REQUEST_SECONDS, Targets, parallel_manager
from lambdas.shared.observability import logger
from llmmanager import BedrockConverseRequest, Deadline

PART_RESULTS = 25
PART_SECONDS = 1.5
PART_BYTES = 4_000_000
# What it takes to write the last part and return.
MARGIN_SECONDS = 10.0


class NoProgress(Exception):
    """Records are left, and a whole invocation has finished none of them: another would not either."""


class Context(Protocol):
    """What is used of the context that Lambda hands to a function."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""


@dataclass(frozen=True)
class Budget:
    """How an invocation's time is shared out.

    Attributes:
        start_until: requests start until then, so that one that takes its full time can still end;
        end: by then those under way have ended.
    """

    start_until: Deadline
    end: Deadline

    @classmethod
    def of(cls, context: Context) -> Budget:
        """The budget of an invocation that starts now."""
        left = context.get_remaining_time_in_millis() / 1000
        end = left - min(MARGIN_SECONDS, left / 5)
        return cls(Deadline.after(end - min(REQUEST_SECONDS, end / 2)), Deadline.after(end))


@logger.inject_lambda_context(clear_state=True)
def handler(item: dict[str, Any], context: Context) -> dict[str, Any]:
    """A shard as the manifest has it; the same with `done`, `answered` and `failed`.

    Raises:
        NoProgress: not one record could be finished in this invocation.
    """
    logger.append_keys(batch_id=item["batchId"], shard=item["shard"])
    outcome = run_shard(item, Budget.of(context))
    logger.info("shard run", extra=outcome)
    return {**item, **outcome}


def run_shard(item: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """Run what is left of a shard; `{"done", "answered", "failed"}` of the shard as a whole."""
    storage = BatchStorage(item["bucket"], item["batchId"])
    parts = PartWriter(storage, item["shard"])
    finished_before = len(parts.statuses)
    waiting = Waiting(storage.read(item["key"]), parts, budget)
    manager = parallel_manager(Targets(tuple(item["models"]), tuple(item["regions"])))
    for request, response in manager.iter_responses(waiting.requests(), deadline=budget.end):
        if not response.success and budget.start_until.remaining() <= 0:
            # Perhaps it only ran out of this invocation's time: the next one gives it all the time there is.
            waiting.left = True
        else:
            parts.add(result_of(request, response))
    parts.flush()
    if waiting.left and len(parts.statuses) == finished_before:
        raise NoProgress(f"shard {item['shard']}: no record could be finished in the time of one invocation")
    statuses = list(parts.statuses.values())
    return {
        "done": not waiting.left,
        "answered": statuses.count(ANSWERED),
        "failed": statuses.count(FAILED),
    }


class PartWriter:
    """The results of a shard: those that are in S3 already, and new ones on their way there.

    A part that S3 does not take is kept and goes out with the next; `in_trouble` asks that no further
    request be started meanwhile.

    Attributes:
        statuses: "answered" or "failed", by the id of every record that has a result.
    """

    def __init__(self, storage: BatchStorage, shard: int) -> None:
        self.statuses: dict[str, str] = {}
        self.in_trouble = False
        self._storage = storage
        self._shard = shard
        self._next_number = 1
        self._lines: list[bytes] = []
        self._line_statuses: list[str] = []
        self._oldest = 0.0
        for part in storage.parts(shard):
            self._next_number = part.number + 1
            for line in BytesIO(storage.read(part.key)):
                self._note(json.loads(line))

    def add(self, result: dict[str, Any]) -> None:
        """Take a result, and write a part when it is time to."""
        if not self._lines:
            self._oldest = time.monotonic()
        self._note(result)
        self._lines.append(dump_line(result))
        self._line_statuses.append(result["status"])
        if (
            len(self._lines) >= PART_RESULTS
            or time.monotonic() - self._oldest >= PART_SECONDS
            or sum(map(len, self._lines)) >= PART_BYTES
        ):
            try:
                self.flush()
            except (BotoCoreError, ClientError) as error:
                logger.warning("a part could not be written", extra={"error_type": type(error).__name__})
                self.in_trouble = True

    def flush(self) -> None:
        """Write what has not been written.

        Raises:
            BotoCoreError, ClientError: S3 does not take it.
        """
        if not self._lines:
            return
        number = self._storage.add_part(
            self._shard,
            self._lines,
            number=self._next_number,
            answered=self._line_statuses.count(ANSWERED),
            failed=self._line_statuses.count(FAILED),
        )
        self._next_number = number + 1
        self._lines, self._line_statuses = [], []
        self.in_trouble = False

    def _note(self, result: dict[str, Any]) -> None:
        if self.statuses.get(result["recordId"]) != ANSWERED:
            self.statuses[result["recordId"]] = result["status"]


class Waiting:
    """The records of a shard that have no result yet, handed out while there is time to start them.

    Attributes:
        left: whether some were not run to their end.
    """

    def __init__(self, shard: bytes, parts: PartWriter, budget: Budget) -> None:
        self.left = False
        self._shard = shard
        self._parts = parts
        self._budget = budget

    def requests(self) -> Iterator[BedrockConverseRequest]:
        """Each record once, as a request."""
        for line in BytesIO(self._shard):
            record = json.loads(line)
            if record["recordId"] in self._parts.statuses:
                continue
            if self._parts.in_trouble or self._budget.start_until.remaining() <= 0:
                self.left = True
                return
            yield decode_record(record, default_id=record["recordId"])
