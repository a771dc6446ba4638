"""Write the imported results of many shards as result parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from lambdas.batch.managed.job_results import ShardResults
from lambdas.batch.storage import BatchStorage
from lambdas.shared.clients import S3_CONNECTIONS
from llmmanager.batch_files.results import ANSWERED
from llmmanager.json_format.json_text import dump_line

# Collect reads 16 parts at once.
_PART_BYTES: Final = 4_000_000
BUFFER_BYTES: Final = 48_000_000
"""The results in memory. Larger parts are fewer objects."""


class ResultParts:
    """Collects results, and writes them as parts of their shards.

    Args:
        results: the results that the shards have. New ones are added when they are written.
    """

    def __init__(self, storage: BatchStorage, results: Mapping[int, ShardResults]) -> None:
        self._storage = storage
        self._results = results
        self._lines: defaultdict[tuple[int, bool], list[bytes]] = defaultdict(list)
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the results should be written."""
        return self._bytes >= BUFFER_BYTES

    def add(self, shard: int, result: dict[str, Any]) -> None:
        """Add an answered or interrupted result."""
        line = dump_line(result)
        self._lines[shard, result["status"] == ANSWERED].append(line)
        self._bytes += len(line)
        self._results[shard].add(result)

    def write(self) -> None:
        """Write all results.

        Raises:
            BotoCoreError, ClientError: S3 failed. Some may be written.
        """
        with ThreadPoolExecutor(S3_CONNECTIONS) as pool:
            list(pool.map(self._write_shard, sorted({shard for shard, _ in self._lines})))
        self._lines.clear()
        self._bytes = 0

    def _write_shard(self, shard: int) -> None:
        found = self._results[shard]
        for is_answered in (True, False):
            for lines in _chunks(self._lines.get((shard, is_answered), [])):
                # An interrupted result is in a part whose name has no results.
                answered = len(lines) if is_answered else 0
                number = self._storage.add_part(
                    shard, lines, number=found.next_number, answered=answered, failed=0, from_job=True
                )
                found.next_number = number + 1


def _chunks(lines: list[bytes]) -> list[list[bytes]]:
    """Return the lines in lists of at most `_PART_BYTES`, but at least one line."""
    chunks: list[list[bytes]] = []
    size = 0
    for line in lines:
        if not chunks or size + len(line) > _PART_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(line)
        size += len(line)
    return chunks
