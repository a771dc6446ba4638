"""The shards of a batch that wait for quota, as the workers record them in S3 for the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.batch.s3_objects import list_keys
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from llmmanager.json_format.json_text import dump

_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class WaitingShards:
    """The shards of a run that wait for quota.

    Attributes:
        shards: number of shards.
        shortage: the quota that the shard with the latest end of its wait needs: "per_minute" or "per_day".
        since: when the wait of that shard began.
        until: when the first shard continues.
    """

    shards: int
    shortage: str
    since: str
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the `waitingForQuota` of `GET /v1/batches/{id}`."""
        return {
            "shards": self.shards,
            "quota": self.shortage,
            "since": self.since,
            "nextAttemptAt": self.until.isoformat(),
        }


def put_wait(
    storage: BatchStorage, run: str, *, shard: int, wait: Mapping[str, str], until: datetime
) -> None:
    """Record that a shard waits for quota until the given time.

    The key starts with that time, so that one listing finds the shards that are still waiting.

    Args:
        wait: `{"shortage", "since"}`.
    """
    name = f"{BatchObject.WAITING_SHARDS}{run}/{until:{_TIME_FORMAT}}-{shard:05d}"
    storage.put(storage.key(name), dump(wait))


def read_waiting_shards(storage: BatchStorage, run: str, *, now: datetime) -> WaitingShards | None:
    """Return the shards that wait for quota, or None."""
    prefix = storage.key(f"{BatchObject.WAITING_SHARDS}{run}/")
    keys = list(list_keys(storage.bucket, prefix, after=f"{prefix}{now:{_TIME_FORMAT}}"))
    if not keys:
        return None
    shards = {key.rpartition("-")[2] for key in keys}
    latest = json.loads(storage.read(keys[-1]))
    first = keys[0].removeprefix(prefix).rpartition("-")[0]
    until = datetime.strptime(first, _TIME_FORMAT).replace(tzinfo=UTC)
    return WaitingShards(len(shards), latest["shortage"], latest["since"], until)
