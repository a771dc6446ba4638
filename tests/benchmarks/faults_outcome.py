"""What came of a fault: an answer, an error or worse, how often it called, and what it reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fault_catalogue import PRIMARY, FaultCase

ANSWER, ERROR, INCOMPLETE, HANG = "answer", "error", "incomplete answer", "hang"

Call = Mapping[str, Any]


@dataclass(frozen=True)
class FaultOutcome:
    """What a caller has after one fault.

    Attributes:
        kind: "answer", "error", "incomplete answer" (reported as a success) or "hang".
        calls: of all models.
        faults: what else is wrong: too many calls, or a wrong model or usage.
    """

    case: FaultCase
    kind: str
    seconds: float
    calls: int
    faults: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, case: FaultCase, ended: Mapping[str, Any], calls: Sequence[Call], *, whole: str
    ) -> FaultOutcome:
        """Judge what a side measured (`attempted` in workers/serve.py) with FakeBedrock's log of it."""
        if ended["hangs"]:
            kind = HANG
        elif "error" in ended:
            kind = ERROR
        else:
            kind = ANSWER if ended["text"] == whole else INCOMPLETE
        faults = _hammering(case, calls)
        if kind is ANSWER and case.fault.get("stream_fault") != "no_metadata":
            faults += _misreported(ended, calls)
        return cls(case, kind, ended["seconds"], len(calls), tuple(faults))

    @property
    def is_bad(self) -> bool:
        """Whether it is neither a complete answer nor a clean and bounded error."""
        return self.kind in (INCOMPLETE, HANG) or bool(self.faults)


def _hammering(case: FaultCase, calls: Sequence[Call]) -> list[str]:
    starts = [call["started_at"] for call in calls if call["invoked_id"] == PRIMARY["id"]]
    burst = sum(start < starts[0] + case.burst_seconds for start in starts)
    if len(starts) > case.most_calls or (case.most_in_burst is not None and burst > case.most_in_burst):
        return [f"{len(starts)} calls of the failing model"]
    return []


def _misreported(ended: Mapping[str, Any], calls: Sequence[Call]) -> list[str]:
    answered = [call for call in calls if call["usage"] and not call["answer_lost"]][-1]
    faults = []
    if answered["model_id"] not in (ended["model"] or ""):
        faults.append("wrong model" if ended["model"] else "no model")
    if ended["tokens"] != answered["usage"]["outputTokens"]:
        faults.append("wrong usage" if ended["tokens"] else "no usage")
    return faults


@dataclass(frozen=True)
class Outage:
    """What came of requests while the first model was down, and after that.

    Attributes:
        answered: of `requests`.
        calls_while_down: of the first model, each of which failed.
        recovered_after: seconds from its recovery until it answered; None if it was not used again.
    """

    answered: int
    requests: int
    calls_while_down: int
    recovered_after: float | None

    @classmethod
    def of(cls, answered: Sequence[bool], calls: Sequence[Call], *, recovered_at: float) -> Outage:
        """Judge the requests with FakeBedrock's log of them.

        Args:
            recovered_at: when the first model recovered, in seconds of `time.monotonic()`.
        """
        primary = [call for call in calls if call["invoked_id"] == PRIMARY["id"]]
        again = [call["started_at"] - recovered_at for call in primary if call["status"] == 200]
        return cls(
            sum(answered),
            len(answered),
            sum(call["status"] != 200 for call in primary),
            min(again, default=None),
        )
