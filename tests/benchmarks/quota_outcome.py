"""One run of many requests under a quota: the case, who ran it with which settings, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.sides import Side


@dataclass(frozen=True, kw_only=True)
class Case:
    """The requests of a case, and the quota of FakeBedrock.

    Attributes:
        latency: the shortest and the longest time of an answer in seconds.
    """

    requests: int
    concurrency: int = 32
    max_tokens: int = 120
    tokens: int
    window_seconds: float
    latency: tuple[float, float]

    def prompts(self) -> list[str]:
        """One prompt a request; the answers take 84 to 107 tokens."""
        return [f"Summarise report {number}." for number in range(self.requests)]

    def rules(self) -> dict[str, Any]:
        """FakeBedrock's rules for the case."""
        return {
            "quotas": [{"tokens_per_minute": self.tokens}],
            "latencies": [{"seconds": list(self.latency)}],
        }


@dataclass(frozen=True)
class Contender:
    """One library with one configuration; `described` says which in a few words."""

    side: Side
    described: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of one contender's requests.

    Attributes:
        seconds: from the first request to the last answer.
        calls: FakeBedrock's log of it.
        settled_tokens: what the calls took of the quota.
    """

    contender: Contender
    case: Case
    answered: int
    seconds: float
    calls: Sequence[Mapping[str, Any]]
    settled_tokens: int

    @property
    def rejected(self) -> int:
        """Calls that were throttled."""
        return sum(call["status"] == 429 for call in self.calls)

    @property
    def calls_per_answer(self) -> float:
        """All calls over the answers."""
        return len(self.calls) / max(self.answered, 1)

    @property
    def share(self) -> float:
        """Part of the quota that was used over the whole time; above 1 is possible: windows begin empty."""
        return self.settled_tokens * self.case.window_seconds / (self.case.tokens * self.seconds)

    def moments(self, *, answered: bool) -> list[float]:
        """Seconds since the first call at which an answer came, or a call was throttled."""
        start = min(call["started_at"] for call in self.calls)
        wanted = 200 if answered else 429
        return sorted(call["ended_at"] - start for call in self.calls if call["status"] == wanted)
