"""What a batch saved, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def savings(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the lanes and the prompt cache of a batch saved.

    Args:
        summary: the content of summary.json.
    """
    from llmmanager.batch_report.number_formats import dollars

    lanes = sum(totals["savedUsd"] or 0.0 for totals in (summary.get("byLane") or {}).values())
    if lanes > 0:
        yield f"{dollars(lanes)} less than on demand"
    cache = (summary.get("cache") or {}).get("savedUsd") or 0.0
    if cache > 0:
        yield f"{dollars(cache)} less than without the prompt cache"
