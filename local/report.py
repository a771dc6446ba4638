"""Reports of the demo as plain-text tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from infra.stack_cost.batch import BatchCost, estimate_batch_cost
from llmmanager.testing import Call
from local.batch_client import BatchResult
from local.checks import Faults


def table(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Return the rows as text with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(indent + line.rstrip() for line in lines)


def counts(numbers: dict[str, int]) -> str:
    """Return numbers as text, such as "a 3, b 2", the largest first."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {number}" for name, number in ordered) or "none"


def batch_report(batch: BatchResult, *, calls: Sequence[Call], faults: Faults) -> str:
    """Return a table of the results of a batch and of the calls that FakeBedrock received."""
    summary = batch.summary
    outcomes = Counter(call.error_code or "answered" for call in calls if call.operation == "Converse")
    denied, throttled = outcomes["AccessDeniedException"], outcomes["ThrottlingException"]
    share = denied / summary["answered"] if summary["answered"] else 0.0
    usage = summary["usage"]
    cost = summary["estimatedCostUsd"]
    return table(
        [
            ("Records", f"{summary['records']}: {_outcome(summary)}"),
            ("By region", counts(summary["byRegion"])),
            ("By model", counts(summary["byModel"])),
            ("Bedrock calls", f"{summary['attempts']}: {counts(dict(outcomes))}"),
            (
                "  denied",
                f"{denied} ({share:.2f} per answer), before workers avoided {faults.denied_model_id}",
            ),
            ("  throttled", f"{throttled}, before workers avoided {faults.throttled_region}"),
            ("Tokens", f"{usage['inputTokens']:,} input, {usage['outputTokens']:,} output"),
            ("Estimated cost", "unknown" if cost is None else f"${cost:.6f}"),
            ("Duration", f"{summary['wallSeconds']:.1f} s"),
        ]
    )


def cost_on_aws(batch: BatchResult, *, records: int | None = None) -> BatchCost:
    """Return the estimated cost of the batch on AWS.

    Args:
        records: estimate a batch of this many records with the same average size; None for the batch itself.
    """
    summary = batch.summary
    answered = [result for result in batch.results if result["status"] == "answered"]
    return estimate_batch_cost(
        max(summary["byModel"], key=summary["byModel"].__getitem__),
        records=records or summary["records"],
        input_tokens=round(summary["usage"]["inputTokens"] / len(answered)),
        output_tokens=round(summary["usage"]["outputTokens"] / len(answered)),
        latency_seconds=sum(result["durationMs"] for result in answered) / len(answered) / 1000,
    )


def cost_report(batch: BatchResult) -> str:
    """Return a table of the estimated cost on AWS of the batch and of a million similar records."""
    million = cost_on_aws(batch, records=1_000_000)
    rows = [("", "this batch", "1,000,000 such records")]
    for small, large in zip(cost_on_aws(batch).rows(), million.rows(), strict=True):
        rows.append((small[0], _dollars(small[1]), _dollars(large[1])))
    return table(rows)


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:,.6f}" if usd < 1 else f"${usd:,.2f}"


def _outcome(summary: dict[str, Any]) -> str:
    return f"{summary['answered']} answered, {summary['failed']} failed, {summary['rejected']} rejected"
