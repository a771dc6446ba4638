"""The demo's checks: the batch summary, its result file and FakeBedrock's call log must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llmmanager.testing import Call
from local.batch_client import BatchResult

# Workers share denials of a model, so that few calls are denied.
MAX_DENIED_PER_ANSWER = 0.3


@dataclass(frozen=True)
class Check:
    """A check of the demo.

    Attributes:
        name: what must be true.
        found: the values that were compared, for the error message.
    """

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Faults:
    """Faults of FakeBedrock during the batch: a throttled region and a model without access."""

    throttled_region: str
    denied_model_id: str


def check_equal(name: str, expected: object, found: object) -> Check:
    """Return a check that two values are equal."""
    return Check(name, expected == found, f"{expected} and {found}")


def batch_checks(
    batch: BatchResult, *, ids: Sequence[str], calls: Sequence[Call], faults: Faults
) -> Iterator[Check]:
    """Yield the checks of a batch.

    Args:
        ids: ids of the records in the input file.
        calls: calls that FakeBedrock received during the batch.
        faults: faults of FakeBedrock during the batch.
    """
    converse = [call for call in calls if call.operation == "Converse"]
    answered = [line for line in batch.results if line["status"] == "answered"]
    yield from _record_checks(batch, ids, answered)
    yield from _fault_checks(converse, faults, answers=len(answered))
    yield from _summary_checks(batch, answered)
    yield from _log_checks(batch, answered, converse)


def _record_checks(
    batch: BatchResult, ids: Sequence[str], answered: Sequence[dict[str, Any]]
) -> Iterator[Check]:
    found = sorted(line["recordId"] for line in batch.results)
    yield check_equal("every record has exactly one result", sorted(ids), found)
    yield check_equal("every record is answered", len(ids), len(answered))
    complete = all(map(_has_content, answered))
    yield Check("every answer has text or a tool call", complete, f"{len(answered)} answers")
    incomplete = sum(bool(line["featuresDisabled"]) for line in answered)
    yield check_equal("no request lost a feature to feature fallback", 0, incomplete)


def _fault_checks(converse: Sequence[Call], faults: Faults, *, answers: int) -> Iterator[Check]:
    throttled = [call for call in converse if call.error_code == "ThrottlingException"]
    denied = [call for call in converse if call.error_code == "AccessDeniedException"]
    yield Check(
        f"calls are throttled in {faults.throttled_region} only",
        {call.region for call in throttled} == {faults.throttled_region},
        f"{len(throttled)} throttled calls",
    )
    yield Check(
        f"access is denied to {faults.denied_model_id} only",
        {call.model_id for call in denied} == {faults.denied_model_id},
        f"{len(denied)} denied calls",
    )
    yield Check(
        f"at most {MAX_DENIED_PER_ANSWER} calls per answer are denied",
        len(denied) <= MAX_DENIED_PER_ANSWER * answers,
        f"{len(denied)} denied calls for {answers} answers",
    )


def _summary_checks(batch: BatchResult, answered: Sequence[dict[str, Any]]) -> Iterator[Check]:
    summary, prefix = batch.summary, "summary and results have the same"
    yield check_equal(f"{prefix} number of answered records", summary["answered"], len(answered))
    yield check_equal(f"{prefix} number of failed records", summary["failed"], len(batch.failed))
    yield check_equal(f"{prefix} number of rejected lines", summary["rejected"], len(batch.rejected))
    by_region = dict(Counter(line["region"] for line in answered))
    yield check_equal(f"{prefix} number of answers by region", summary["byRegion"], by_region)
    by_model = dict(Counter(line["model"] for line in answered))
    yield check_equal(f"{prefix} number of answers by model", summary["byModel"], by_model)
    yield check_equal(
        f"{prefix} number of tokens", summary["usage"]["totalTokens"], _sum(answered, "totalTokens")
    )


def _log_checks(
    batch: BatchResult, answered: Sequence[dict[str, Any]], converse: Sequence[Call]
) -> Iterator[Check]:
    log = "FakeBedrock's log have the same number of"
    yield check_equal(f"summary and {log} calls", batch.summary["attempts"], len(converse))
    attempts = sum(line["attempts"] for line in batch.results)
    yield check_equal(f"results and {log} calls", attempts, len(converse))
    yield check_equal(
        f"results and {log} answers by model and region",
        Counter((line["model"], line["region"]) for line in answered),
        Counter((call.model_id, call.region) for call in converse if call.status == 200),
    )


def _has_content(line: dict[str, Any]) -> bool:
    blocks = line["modelOutput"]["output"]["message"]["content"]
    return any(block.get("text") or block.get("toolUse") for block in blocks)


def _sum(lines: Sequence[dict[str, Any]], key: str) -> int:
    return sum(line["usage"][key] for line in lines)
