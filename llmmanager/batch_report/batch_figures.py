"""The figures of a batch, summed up from its results in bounded memory."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from llmmanager.batch_report.latency_histogram import LatencyHistogram
from llmmanager.batch_report.limits import (
    MAX_EXAMPLES,
    MAX_GROUPS,
    MAX_NAME,
    MAX_REASONS,
    MAX_REJECTED,
    MAX_SAMPLE_CHARACTERS,
    MAX_SAMPLES,
    MAX_TEXT,
)
from llmmanager.batch_report.timeline import Timeline

OTHERS = "others"
"""The name of the groups that are summed up."""

_ANSWERED = "answered"

Json = Mapping[str, Any]
Value = TypeVar("Value")


class Groups(Generic[Value]):
    """Values by name, with one more for the names after the first `MAX_GROUPS`."""

    def __init__(self, kind: type[Value]) -> None:
        self._kind = kind
        self.by_name: dict[str, Value] = {}

    def of(self, name: str) -> Value:
        """Return the value of a name."""
        name = name[:MAX_NAME]
        found = self.by_name.get(name)
        if found is not None:
            return found
        return self.by_name.setdefault(name if len(self.by_name) < MAX_GROUPS else OTHERS, self._kind())


@dataclass
class TargetTotals:
    """Totals of a model, a region or a team.

    Attributes:
        cost: sum of the known costs in USD.
        unpriced: rows with tokens and without a known cost.
        latency: of the calls that gave an answer.
    """

    answered: int = 0
    failed: int = 0
    attempts: int = 0
    throttles: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)

    def add(self, row: Json) -> None:
        """Add the attempts, tokens and cost of one row of `byTarget`."""
        self.attempts += row["attempts"]
        self.throttles += row["throttles"]
        usage = row["usage"] or {}
        cache = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        self.input_tokens += usage.get("inputTokens", 0) + cache
        self.output_tokens += usage.get("outputTokens", 0)
        cost = row["estimatedCostUsd"]
        self.cost += cost or 0.0
        self.unpriced += cost is None and bool(usage)


@dataclass
class ErrorTotals:
    """Failures with the same code.

    Attributes:
        records: records that failed with it.
        attempts: failed calls, also of records that another call answered.
        message: of the first failed record.
        record_ids: of the first failed records.
    """

    records: int = 0
    attempts: int = 0
    message: str = ""
    record_ids: list[str] = field(default_factory=list)


@dataclass
class RuleTotals:
    """Answers that broke the same rule of `responseValidation`.

    Attributes:
        answers: invalid answers, which were paid for.
        record_ids: of the first records.
    """

    answers: int = 0
    record_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """An answer that the report shows."""

    record_id: str
    model: str
    text: str


class BatchFigures:
    """Sums up the results of a batch. The memory does not depend on their number.

    Args:
        samples: number of answers to keep, at most `MAX_SAMPLES`, chosen at random.
    """

    def __init__(self, *, samples: int = 0) -> None:
        self.models = Groups(TargetTotals)
        self.regions = Groups(TargetTotals)
        self.teams = Groups(TargetTotals)
        self.errors = Groups(ErrorTotals)
        self.rules = Groups(RuleTotals)
        self.call_latency = LatencyHistogram()
        self.record_duration = LatencyHistogram()
        self.timeline = Timeline()
        self.rejected: list[Json] = []
        self.samples: list[Sample] = []
        self.answered = self.failed = self.invalid_records = 0
        self._targets: dict[tuple[str, str], dict[str, Any]] = {}
        self._max_samples = min(samples, MAX_SAMPLES)
        # The same answers are chosen if the report is written again.
        self._random = random.Random(0)

    def add(self, result: Json) -> None:
        """Add the result of a record."""
        is_answered = result["status"] == _ANSWERED
        team = self.teams.of(result.get("team") or "")
        team.answered += is_answered
        team.failed += not is_answered
        cost = self._add_targets(result, team)
        self._add_times(result, is_answered, cost)
        if is_answered:
            self._add_answer(result)
        else:
            self.failed += 1
            self._add_error(result)
        for code, count in (result.get("errorCodes") or {}).items():
            self.errors.of(code).attempts += count
        if broken := result.get("validationErrors"):
            self._add_invalid(result, broken)

    def add_cost(self, result: Json) -> None:
        """Add only the attempts, tokens and cost of a result: another result of its record counts."""
        self._add_targets(result, self.teams.of(result.get("team") or ""))

    def add_rejected(self, line: Json) -> None:
        """Keep a line of rejected.jsonl, if it is one of the first."""
        if len(self.rejected) < MAX_REJECTED:
            texts = {
                name: str(line[name])[:MAX_TEXT] for name in ("file", "recordId", "text") if name in line
            }
            reasons = [str(reason)[:MAX_TEXT] for reason in line["reasons"][:MAX_REASONS]]
            more = len(line["reasons"]) - len(reasons)
            self.rejected.append({"line": line["line"], **texts, "reasons": reasons, "moreReasons": more})

    @property
    def throttles(self) -> int:
        """Number of throttled calls."""
        return sum(totals.throttles for totals in self.models.by_name.values())

    def failed_records(self) -> dict[str, int]:
        """Return the number of failed records by error code."""
        return {code: totals.records for code, totals in self.errors.by_name.items() if totals.records}

    def failed_attempts(self) -> dict[str, int]:
        """Return the number of failed calls by error code."""
        return {code: totals.attempts for code, totals in self.errors.by_name.items() if totals.attempts}

    def by_target(self) -> list[dict[str, Any]]:
        """Return attempts, throttles, tokens and cost by model and region, the dearest first."""
        rows = sorted(self._targets.values(), key=lambda row: -(row["estimatedCostUsd"] or 0.0))
        costs = [row["estimatedCostUsd"] for row in rows]
        return [
            {**row, "estimatedCostUsd": None if cost is None else round(cost, 10)}
            for row, cost in zip(rows, costs, strict=True)
        ]

    def _add_targets(self, result: Json, team: TargetTotals) -> float:
        total = 0.0
        for row in target_rows(result):
            self.models.of(row["model"]).add(row)
            self.regions.of(row["region"]).add(row)
            team.add(row)
            self._add_target(row)
            total += row["estimatedCostUsd"] or 0.0
        return total

    def _add_target(self, row: Json) -> None:
        key = row["model"][:MAX_NAME], row["region"][:MAX_NAME]
        if key not in self._targets and len(self._targets) >= MAX_GROUPS:
            key = OTHERS, OTHERS
        known = self._targets.get(key)
        if known is None:
            known = self._targets[key] = {
                "model": key[0],
                "region": key[1],
                **{"attempts": 0, "throttles": 0, "usage": {}, "estimatedCostUsd": None},
            }
        known["attempts"] += row["attempts"]
        known["throttles"] += row["throttles"]
        usage = known["usage"]
        for name, tokens in (row["usage"] or {}).items():
            if isinstance(tokens, int):
                usage[name] = usage.get(name, 0) + tokens
        if row["estimatedCostUsd"] is not None:
            known["estimatedCostUsd"] = (known["estimatedCostUsd"] or 0.0) + row["estimatedCostUsd"]

    def _add_times(self, result: Json, is_answered: bool, cost: float) -> None:
        ended = result.get("endedAt")
        if ended is None:
            return
        interval = self.timeline.at(datetime.fromisoformat(ended))
        interval.answered += is_answered
        interval.failed += not is_answered
        interval.throttles += result.get("throttles", 0)
        interval.cost += cost

    def _add_answer(self, result: Json) -> None:
        self.answered += 1
        model, region = self.models.of(result["model"]), self.regions.of(result["region"])
        model.answered += 1
        region.answered += 1
        duration = result.get("durationMs")
        latency = result.get("latencyMs", duration)
        if latency is not None:
            for histogram in (self.call_latency, model.latency, region.latency):
                histogram.add(latency)
        if duration is not None:
            self.record_duration.add(duration)
        if self._max_samples:
            self._consider_sample(result)

    def _consider_sample(self, result: Json) -> None:
        """Keep an answer, so that each one has the same chance (reservoir sampling)."""
        index = len(self.samples)
        if index == self._max_samples:
            index = self._random.randrange(self.answered)
            if index >= self._max_samples:
                return
        else:
            self.samples.append(Sample("", "", ""))
        text = answer_text(result.get("modelOutput"))[: MAX_SAMPLE_CHARACTERS + 1]
        self.samples[index] = Sample(result["recordId"][:MAX_NAME], result["model"][:MAX_NAME], text)

    def _add_error(self, result: Json) -> None:
        error = result.get("error") or {}
        totals = self.errors.of(error.get("code") or error.get("type") or "unknown")
        totals.records += 1
        totals.message = totals.message or str(error.get("message") or "")[:MAX_TEXT]
        _keep_id(totals.record_ids, result)

    def _add_invalid(self, result: Json, broken: Sequence[str | None]) -> None:
        self.invalid_records += 1
        for rule in broken:
            totals = self.rules.of(rule or "the validation function rejected the answer")
            totals.answers += 1
            _keep_id(totals.record_ids, result)


def target_rows(result: Json) -> Sequence[Json]:
    """Return the rows of `byTarget`. A result of an earlier version has the totals of its answer only."""
    rows: Sequence[Json] | None = result.get("byTarget")
    if rows is not None:
        return rows
    usage = result.get("totalUsage") or result.get("usage")
    if not usage or not result.get("model"):
        return ()
    row = {
        "model": result["model"],
        "region": result["region"],
        "attempts": result["attempts"],
        "throttles": 0,
        "usage": usage,
        "estimatedCostUsd": result.get("estimatedCostUsd"),
    }
    return (row,)


def answer_text(model_output: Any) -> str:
    """Return the text of an answer, without other content; "" without text."""
    try:
        blocks = model_output["output"]["message"]["content"]
        return "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    except (KeyError, TypeError, AttributeError):
        return ""


def _keep_id(ids: list[str], result: Json) -> None:
    id_ = result["recordId"][:MAX_NAME]
    if len(ids) < MAX_EXAMPLES and id_ not in ids:
        ids.append(id_)
