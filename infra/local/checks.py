"""What must hold after the demo: the batch's summary, its result file and Bedrock's own log agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.batches import BatchResult
from llmmanager.testing import Call

# Workers share what they learn about a denied model, so that few calls find it out.
DENIED_PER_ANSWER = 0.3


@dataclass(frozen=True)
class Check:
    """A claim, whether it holds, and what was found."""

    claim: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Trouble:
    """The faults of Bedrock while the batch ran: a region that throttles, a model without access."""

    throttled_region: str
    denied_model_id: str


def agree(claim: str, expected: object, found: object) -> Check:
    """Return a check that two values are the same."""
    return Check(claim, expected == found, f"{expected} and {found}")


def batch_checks(
    batch: BatchResult, *, ids: Sequence[str], calls: Sequence[Call], trouble: Trouble
) -> Iterator[Check]:
    """Yield the checks of a batch.

    Args:
        ids: of the records.
        calls: what Bedrock received while the batch ran.
    """
    converse = [call for call in calls if call.operation == "Converse"]
    answered = [line for line in batch.results if line["status"] == "answered"]
    yield from _record_checks(batch, ids, answered)
    yield from _trouble_checks(converse, trouble, answers=len(answered))
    yield from _summary_checks(batch, answered)
    yield from _log_checks(batch, answered, converse)


def _record_checks(
    batch: BatchResult, ids: Sequence[str], answered: Sequence[dict[str, Any]]
) -> Iterator[Check]:
    found = sorted(line["recordId"] for line in batch.results)
    yield agree("every record has exactly one result", sorted(ids), found)
    yield agree("every record is answered", len(ids), len(answered))
    says = all(map(_says_something, answered))
    yield Check("every answer has text or a tool call", says, f"{len(answered)} answers")
    incomplete = sum(bool(line["featuresDisabled"]) for line in answered)
    yield agree("no answer left out a part of its request", 0, incomplete)


def _trouble_checks(converse: Sequence[Call], trouble: Trouble, *, answers: int) -> Iterator[Check]:
    throttled = [call for call in converse if call.error_code == "ThrottlingException"]
    denied = [call for call in converse if call.error_code == "AccessDeniedException"]
    yield Check(
        f"calls were throttled in {trouble.throttled_region}, and only there",
        {call.region for call in throttled} == {trouble.throttled_region},
        f"{len(throttled)} throttled calls",
    )
    yield Check(
        f"access was denied to {trouble.denied_model_id}, and only to it",
        {call.model_id for call in denied} == {trouble.denied_model_id},
        f"{len(denied)} denied calls",
    )
    yield Check(
        f"at most {DENIED_PER_ANSWER} calls per answer were denied",
        len(denied) <= DENIED_PER_ANSWER * answers,
        f"{len(denied)} denied calls for {answers} answers",
    )


def _summary_checks(batch: BatchResult, answered: Sequence[dict[str, Any]]) -> Iterator[Check]:
    summary, counted = batch.summary, "summary and results agree on the"
    yield agree(f"{counted} answered records", summary["answered"], len(answered))
    yield agree(f"{counted} failed records", summary["failed"], len(batch.failed))
    yield agree(f"{counted} rejected lines", summary["rejected"], len(batch.rejected))
    by_region = dict(Counter(line["region"] for line in answered))
    yield agree(f"{counted} answers of each region", summary["byRegion"], by_region)
    by_model = dict(Counter(line["model"] for line in answered))
    yield agree(f"{counted} answers of each model", summary["byModel"], by_model)
    yield agree(f"{counted} tokens", summary["usage"]["totalTokens"], _sum(answered, "totalTokens"))


def _log_checks(
    batch: BatchResult, answered: Sequence[dict[str, Any]], converse: Sequence[Call]
) -> Iterator[Check]:
    log = "Bedrock's log agree on the"
    yield agree(f"summary and {log} number of calls", batch.summary["attempts"], len(converse))
    attempts = sum(line["attempts"] for line in batch.results)
    yield agree(f"results and {log} number of calls", attempts, len(converse))
    yield agree(
        f"results and {log} answers of each model and region",
        Counter((line["model"], line["region"]) for line in answered),
        Counter((call.model_id, call.region) for call in converse if call.status == 200),
    )


def _says_something(line: dict[str, Any]) -> bool:
    blocks = line["modelOutput"]["output"]["message"]["content"]
    return any(block.get("text") or block.get("toolUse") for block in blocks)


def _sum(lines: Sequence[dict[str, Any]], key: str) -> int:
    return sum(line["usage"][key] for line in lines)
