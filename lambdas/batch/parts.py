"""Write the results of a shard to S3 in parts while the shard runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger
from llmmanager.batch_files.results import ANSWERED, INTERRUPTED
from llmmanager.json_format.json_text import dump_line

PART_RESULTS = 25
PART_SECONDS = 1.5
PART_BYTES = 4_000_000


class PartWriter:
    """The results of a shard: reads those in S3, and writes new ones.

    A context manager. In the block, a thread writes new results every `PART_SECONDS`, so that a worker that
    stops while it waits for an answer loses no earlier results. The end of the block writes the rest.

    If S3 rejects a part, its results are written with the next one. Until then `write_failed` is true, and no
    further requests should start.

    Args:
        metadata: returns the metadata of a new part.

    Attributes:
        statuses: "answered" or "failed", by the ids of all records with a result.
        interrupted: ids of records that were tried and interrupted, with or without a later result.
        write_failed: whether the last part could not be written.
    """

    def __init__(
        self, storage: BatchStorage, shard: int, *, metadata: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self.statuses: dict[str, str] = {}
        self.interrupted: set[str] = set()
        self.write_failed = False
        self._storage = storage
        self._shard = shard
        self._metadata = metadata
        self._next_number = 1
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._line_statuses: list[str] = []
        self._interrupted: list[bytes] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_periodically, name="parts", daemon=True)
        for part in storage.parts(shard):
            self._next_number = part.number + 1
            for line in BytesIO(storage.read(part.key)):
                self._note(json.loads(line))

    def __enter__(self) -> PartWriter:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.flush()

    def add(self, result: dict[str, Any]) -> None:
        """Add a result, and write a part if there are enough results."""
        with self._lock:
            if result["status"] == INTERRUPTED:
                self._interrupted.append(dump_line(result))
                return
            self._note(result)
            self._lines.append(dump_line(result))
            self._line_statuses.append(result["status"])
            full = len(self._lines) >= PART_RESULTS or sum(map(len, self._lines)) >= PART_BYTES
        if full:
            self._try_to_flush()

    def flush(self) -> None:
        """Write all results that are not in S3 yet.

        Raises:
            BotoCoreError, ClientError: S3 failed.
        """
        with self._lock:
            if self._lines:
                answered = self._line_statuses.count(ANSWERED)
                self._write(self._lines, answered=answered, failed=len(self._lines) - answered)
                self._lines, self._line_statuses = [], []
            if self._interrupted:
                # In a part of their own, whose name has no results.
                self._write(self._interrupted, answered=0, failed=0)
                self._interrupted = []

    def _write(self, lines: list[bytes], *, answered: int, failed: int) -> None:
        number = self._storage.add_part(
            self._shard,
            lines,
            number=self._next_number,
            answered=answered,
            failed=failed,
            metadata=self._metadata(),
        )
        self._next_number = number + 1
        self.write_failed = False

    def _write_periodically(self) -> None:
        while not self._ended.wait(PART_SECONDS):
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        try:
            self.flush()
        except (BotoCoreError, ClientError) as error:
            logger.warning("a part could not be written", extra={"error_type": type(error).__name__})
            self.write_failed = True

    def _note(self, result: dict[str, Any]) -> None:
        if result["status"] == INTERRUPTED:
            self.interrupted.add(result["recordId"])
        elif self.statuses.get(result["recordId"]) != ANSWERED:
            self.statuses[result["recordId"]] = result["status"]
