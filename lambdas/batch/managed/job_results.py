"""The results that the shards of a job have."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

from lambdas.batch.storage import BatchStorage
from lambdas.shared.clients import S3_CONNECTIONS
from llmmanager.batch_files.results import INTERRUPTED


@dataclass(slots=True)
class ShardResults:
    """The results of a shard.

    Attributes:
        shard: its number.
        finished: ids of the records that are answered or have failed.
        imported: for each record, the ids of the jobs whose answer it has.
        next_number: the number of the next part.
    """

    shard: int
    finished: set[str] = field(default_factory=set)
    imported: dict[str, set[str]] = field(default_factory=dict)
    next_number: int = 1

    def add(self, result: dict[str, Any]) -> None:
        """Note a line of a part."""
        if result["status"] != INTERRUPTED:
            self.finished.add(result["recordId"])
        if result.get("job"):
            self.imported.setdefault(result["recordId"], set()).add(result["job"])


def read_shard_results(storage: BatchStorage, shards: Iterable[int]) -> dict[int, ShardResults]:
    """Return the results of shards by their numbers."""
    with ThreadPoolExecutor(S3_CONNECTIONS) as pool:
        return {found.shard: found for found in pool.map(partial(_read, storage), shards)}


def _read(storage: BatchStorage, shard: int) -> ShardResults:
    found = ShardResults(shard)
    for part in storage.parts(shard):
        found.next_number = max(found.next_number, part.number + 1)
        for line in BytesIO(storage.read(part.key)):
            found.add(json.loads(line))
    return found
