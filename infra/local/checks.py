"""What must be true after the demo: summary, result file and Bedrock's own log tell the same story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.batches import BatchResult
from llmmanager.testing import Call


@dataclass(frozen=True)
class Check:
    """One thing that must be so, and what was found."""

    claim: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Trouble:
    """What Bedrock was told to refuse while the batch ran."""

    throttled_region: str
    denied_model_id: str


def agree(claim: str, expected: object, found: object) -> Check:
    """A check that two counts are the same."""
    return Check(claim, expected == found, f"{expected} and {found}")


def batch_checks(
    batch: BatchResult, *, ids: Sequence[str], calls: Sequence[Call], trouble: Trouble
) -> Iterator[Check]:
    """Every promise of a batch. `ids` are the records', `calls` what Bedrock received while it ran."""
    converse = [call for call in calls if call.operation == "Converse"]
    summary, results = batch.summary, batch.results
    answered = [line for line in results if line["status"] == "answered"]
    throttled = [call for call in converse if call.error_code == "ThrottlingException"]
    refused = [call for call in converse if call.error_code == "AccessDeniedException"]

    yield agree(
        "every record has exactly one result", sorted(ids), sorted(line["recordId"] for line in results)
    )
    yield agree("every record is answered", len(ids), len(answered))
    yield Check(
        "every answer has text or a tool call",
        all(map(_says_something, answered)),
        f"{len(answered)} answers",
    )
    yield agree(
        "answers that left a part of the request out",
        0,
        sum(bool(line["featuresDisabled"]) for line in answered),
    )
    yield Check(
        f"{trouble.throttled_region} throttled, and only it",
        {call.region for call in throttled} == {trouble.throttled_region},
        f"{len(throttled)} throttled calls",
    )
    yield Check(
        f"{trouble.denied_model_id} was refused, and only it",
        {call.model_id for call in refused} == {trouble.denied_model_id},
        f"{len(refused)} refused calls",
    )
    yield agree("summary and results: answered", summary["answered"], len(answered))
    yield agree("summary and results: failed", summary["failed"], len(batch.failed))
    yield agree("summary and results: rejected", summary["rejected"], len(batch.rejected))
    yield agree(
        "summary and results: by region",
        summary["byRegion"],
        dict(Counter(line["region"] for line in answered)),
    )
    yield agree(
        "summary and results: by model", summary["byModel"], dict(Counter(line["model"] for line in answered))
    )
    yield agree("summary and results: tokens", summary["usage"]["totalTokens"], _sum(answered, "totalTokens"))
    yield agree("summary and Bedrock's log: attempts", summary["attempts"], len(converse))
    yield agree(
        "results and Bedrock's log: attempts", sum(line["attempts"] for line in results), len(converse)
    )
    yield agree(
        "results and Bedrock's log: answers by model and region",
        Counter((line["model"], line["region"]) for line in answered),
        Counter((call.model_id, call.region) for call in converse if call.status == 200),
    )


def _says_something(line: dict[str, Any]) -> bool:
    blocks = line["modelOutput"]["output"]["message"]["content"]
    return any(block.get("text") or block.get("toolUse") for block in blocks)


def _sum(lines: Sequence[dict[str, Any]], key: str) -> int:
    return sum(line["usage"][key] for line in lines)
