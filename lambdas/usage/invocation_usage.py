"""The usage of a worker's invocation without a budget, in the metadata of the result files that it writes.

A worker counts its usage when it ends. If it is killed, the last step of the batch counts the usage in the
last result file of the invocation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from lambdas.usage.caller import Caller
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_rows import UsageRows

_NAME: Final = "usage"
# S3 accepts 2 KB for names and values.
_MAX_BYTES: Final = 2_000


@dataclass(frozen=True, slots=True)
class InvocationUsage:
    """The usage of an invocation until it wrote a result file.

    Attributes:
        id: the id of the invocation.
    """

    id: str
    rows: UsageRows


def usage_metadata(caller: Caller, invocation: str, rows: UsageRows) -> dict[str, str]:
    """Return the metadata of a result file; empty if there are too many rows, some fifteen."""
    counts = [
        [key.day, key.model, {name: count for name, count in asdict(counts).items() if count}]
        for key, counts in rows.items()
    ]
    usage = {"id": invocation, "caller": caller.id, "team": caller.team, "rows": counts}
    text = json.dumps(usage, separators=(",", ":"))
    return {_NAME: text} if len(text) <= _MAX_BYTES else {}


def read_usage_metadata(metadata: Mapping[str, str]) -> InvocationUsage | None:
    """Return the usage in the metadata of a result file, or None if it has none."""
    if _NAME not in metadata:
        return None
    usage = json.loads(metadata[_NAME])
    return InvocationUsage(
        usage["id"],
        {
            UsageKey(
                day=day, team=usage["team"], caller=usage["caller"], key_id="", model=model
            ): UsageCounts(**counts)
            for day, model, counts in usage["rows"]
        },
    )
