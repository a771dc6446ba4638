"""The journal of a batch: the result of each record as soon as it is known, so that a run can continue.

Its first line identifies the input. Each other line is a result. A line is written by one call, so a process
that is killed loses no result that was added, and at most its last line is incomplete.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from llmmanager.batch_files.results import ANSWERED, INTERRUPTED
from llmmanager.json_format.json_text import dump_line

# A machine that loses power loses the results of at most this time.
_SYNC_SECONDS = 1.0
_FORMAT = 1
_BLOCK_BYTES = 65536


class JournalError(Exception):
    """The journal cannot be used; the message has the reason."""


class Journal:
    """The results of a batch in a file. A context manager, which closes the file.

    Args:
        path: the file. It is created if it does not exist.
        input_digest: identifies the content of the input.

    Attributes:
        started_at: when the batch was first started.
        statuses: "answered" or "failed", by the id of each record with a result.
        cost_usd: the known cost of all results so far.

    Raises:
        JournalError: another process uses the journal, or it belongs to another input.
        OSError: the file cannot be read or written.
    """

    def __init__(self, path: Path, input_digest: str) -> None:
        self.statuses: dict[str, str] = {}
        self.cost_usd = 0.0
        self._path = path
        self._places: dict[str, int] = {}
        self._file: BinaryIO = path.open("a+b", buffering=0)
        try:
            _lock(self._file, path)
            self.started_at = self._read(input_digest)
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def add(self, result: Mapping[str, Any]) -> None:
        """Add the result of a record, or of an interrupted run of it.

        Raises:
            OSError: the file cannot be written.
        """
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(dump_line(result))
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        self._note(result, place)

    def last_written_at(self) -> datetime:
        """Return when the last result was added."""
        return datetime.fromtimestamp(self._path.stat().st_mtime, UTC)

    def results(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield all results in the order of their end, each with whether it is the one of its record.

        An answer has precedence over a failure, and an earlier result over a later one.
        """
        for place, result in self._lines():
            yield result, self._places.get(result["recordId"]) == place

    def result(self, record_id: str) -> dict[str, Any] | None:
        """Return the result of a record, or None."""
        place = self._places.get(record_id)
        if place is None:
            return None
        with self._path.open("rb") as lines:
            lines.seek(place)
            found: dict[str, Any] = json.loads(lines.readline())
        return found

    def _read(self, input_digest: str) -> datetime:
        self._remove_incomplete_line()
        if not self._path.stat().st_size:
            now = datetime.now(UTC)
            self._file.write(
                dump_line({"journal": _FORMAT, "inputDigest": input_digest, "startedAt": now.isoformat()})
            )
            return now
        with self._path.open("rb") as lines:
            header = _header(lines.readline())
        if header is None:
            raise JournalError(f"{self._path} is not the journal of a batch")
        if header["inputDigest"] != input_digest:
            raise JournalError(f"{self._path} belongs to another input, or the input has changed")
        for place, result in self._lines():
            self._note(result, place)
        return datetime.fromisoformat(header["startedAt"])

    def _remove_incomplete_line(self) -> None:
        """Remove the end of a line that a killed process or a full disk left."""
        end = size = self._path.stat().st_size
        with self._path.open("rb") as lines:
            while end:
                start = max(0, end - _BLOCK_BYTES)
                lines.seek(start)
                found = lines.read(end - start).rfind(b"\n")
                if found >= 0:
                    end = start + found + 1
                    break
                end = start
        if end < size:
            self._file.truncate(end)

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._path.open("rb") as lines:
            place = len(lines.readline())
            for line in lines:
                yield place, json.loads(line)
                place += len(line)

    def _note(self, result: Mapping[str, Any], place: int) -> None:
        self.cost_usd += result.get("estimatedCostUsd") or 0.0
        id_, status = result["recordId"], result["status"]
        if status == INTERRUPTED:
            return
        known = self.statuses.get(id_)
        if known is None or (status == ANSWERED and known != ANSWERED):
            self.statuses[id_] = status
            self._places[id_] = place


def _header(line: bytes) -> dict[str, Any] | None:
    try:
        header = json.loads(line)
    except ValueError:
        return None
    return header if isinstance(header, dict) and header.get("journal") == _FORMAT else None


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalError(f"another process is running this batch ({path} is locked)") from None
