"""How long a shard of a budgeted caller waits while the usage table is unavailable."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lambdas.batch.quota_wait import max_wait_without_answer
from lambdas.contract import BatchStep

_SINCE: Final = "tableUnavailableSince"
MEMBERS: Final = (BatchStep.WAIT_SECONDS, _SINCE)
_SECONDS: Final = (30, 60)


def table_wait(item: Mapping[str, Any], *, seconds_left: float | None) -> dict[str, Any]:
    """Return the members of the worker's output with which Step Functions waits.

    It is empty if the shard has waited for the maximum time.

    Args:
        item: the worker's input, with the members of the wait before it if it finished no record.
        seconds_left: seconds until the deadline of the batch; None without one.
    """
    now = datetime.now(UTC)
    since = item.get(_SINCE)
    if since is not None and now - datetime.fromisoformat(since) > max_wait_without_answer():
        return {}
    seconds = random.randint(*_SECONDS)
    if seconds_left is not None:
        seconds = max(1, min(seconds, int(seconds_left)))
    return {BatchStep.WAIT_SECONDS: seconds, _SINCE: since or now.isoformat()}
