"""Plain-text tables for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from infra.local.batches import BatchResult
from infra.local.checks import Trouble
from llmmanager.bedrock.batch_cost import BatchCost, estimate_batch_cost
from llmmanager.testing import Call


def table(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Rows as columns of one width each."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(indent + line.rstrip() for line in lines)


def counts(numbers: dict[str, int]) -> str:
    """ "a 3, b 2", the largest first."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {number}" for name, number in ordered) or "none"


def batch_report(batch: BatchResult, *, calls: Sequence[Call], trouble: Trouble) -> str:
    """Return a table of a batch's results, and of the calls that Bedrock's own log has of it."""
    summary = batch.summary
    outcomes = Counter(call.error_code or "answered" for call in calls if call.operation == "Converse")
    denied, throttled = outcomes["AccessDeniedException"], outcomes["ThrottlingException"]
    share = denied / summary["answered"] if summary["answered"] else 0.0
    model, region = trouble.denied_model_id, trouble.throttled_region
    usage = summary["usage"]
    cost = summary["estimatedCostUsd"]
    return table(
        [
            ("Records", f"{summary['records']}: {_outcome(summary)}"),
            ("By region", counts(summary["byRegion"])),
            ("By model", counts(summary["byModel"])),
            ("Calls of Bedrock", f"{summary['attempts']}: {counts(dict(outcomes))}"),
            ("  denied", f"{denied}, {share:.2f} per answer: how workers learn that {model} is denied"),
            ("  throttled", f"{throttled}: how workers learn that {region} has no quota left"),
            ("Tokens", f"{usage['inputTokens']:,} in, {usage['outputTokens']:,} out"),
            ("Estimated cost", "unknown" if cost is None else f"${cost:.6f}"),
            ("Wall time", f"{summary['wallSeconds']:.1f} s"),
        ]
    )


def cost_on_aws(batch: BatchResult, *, records: int | None = None) -> BatchCost:
    """What a batch would cost on AWS, or one of so many records that are like its own on average."""
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
    """What a batch would cost on AWS, line by line, beside a million records like its own."""
    million = cost_on_aws(batch, records=1_000_000)
    rows = [("", "this batch", "a million such records")]
    for mine, large in zip(cost_on_aws(batch).rows(), million.rows(), strict=True):
        rows.append((mine[0], _dollars(mine[1]), _dollars(large[1])))
    return table(rows)


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:,.6f}" if usd < 1 else f"${usd:,.2f}"


def _outcome(summary: dict[str, Any]) -> str:
    return f"{summary['answered']} answered, {summary['failed']} failed, {summary['rejected']} rejected"
