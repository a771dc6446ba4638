"""The sixteen faults of the public Failover Bench catalogue, version 0.1, on Bedrock's wire.

Source: https://github.com/failoverbench/failoverbench, scenarios/catalogue.yaml. A call has two targets: a
model that fails and a fallback. Times are those of the catalogue times `SCALE`, so that 30 seconds become 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REGION = "eu-central-1"
# Each has one access method in the region: the number of targets is the number of models.
PRIMARY = {"name": "Nova Lite", "id": "eu.amazon.nova-lite-v1:0"}
FALLBACK = {"name": "Nova Micro", "id": "eu.amazon.nova-micro-v1:0"}
NO_PREFILL = {"name": "Claude Sonnet 4.6", "id": "eu.anthropic.claude-sonnet-4-6"}
PROMPT = "Explain in sixty words why a gateway must be tested with providers that misbehave."

SCALE = 0.1
# Seconds of silence after which a caller gives up on a target.
TIMEOUT = 30 * SCALE


@dataclass(frozen=True, kw_only=True)
class FaultCase:
    """One fault, and what a client must do about it.

    Attributes:
        number: the catalogue's number.
        title: what happens.
        fault: the fields of FakeBedrock's Fault, for the first model.
        latency: the fields of FakeBedrock's Latency, for the first model.
        most_calls: of the first model, over the whole call.
        most_in_burst: of the first model, in the first `burst_seconds`.
        most_seconds: until the call has ended.
        has_answer: whether a call with a fallback can be answered; else a clean error is the best outcome.
        fallback: the model that takes over.
    """

    number: str
    title: str
    fault: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    most_calls: int = 6
    most_in_burst: int | None = None
    burst_seconds: float = 0.0
    most_seconds: float = 45 * SCALE
    has_answer: bool = True
    fallback: Mapping[str, str] = field(default_factory=lambda: FALLBACK)

    @property
    def passes(self) -> bool:
        """Whether a further call of the first model would be answered, or the first is."""
        return not self.fault or "count" in self.fault or self.fault.get("stream_fault") == "no_metadata"

    @property
    def hits_streams_only(self) -> bool:
        """Whether Converse does not notice the fault."""
        return not self.fault or "after_chunks" in self.fault or "stream_fault" in self.fault

    @property
    def is_silent(self) -> bool:
        """Whether the first model stops sending without an end."""
        return "hang" in self.fault or "delay" in self.fault

    def rules(self) -> dict[str, Any]:
        """The rules of FakeBedrock."""
        model = {"model": PRIMARY["id"]}
        return {
            "faults": [{**model, **self.fault}] if self.fault else [],
            "latencies": [{**model, **self.latency}] if self.latency else [],
        }


_UNAVAILABLE = {"error": "ServiceUnavailableException"}
CASES = (
    FaultCase(
        number="S01",
        title="throttled once, with `Retry-After: 2`",
        fault={"error": "ThrottlingException", "retry_after": 2, "count": 1},
        most_in_burst=2,
        burst_seconds=1.5,
    ),
    FaultCase(
        number="S02",
        title="throttled always, without `Retry-After`",
        fault={"error": "ThrottlingException"},
        most_in_burst=4,
        burst_seconds=3.0,
    ),
    FaultCase(
        number="S03",
        title="500 once",
        fault={"error": "InternalServerException", "count": 1},
    ),
    FaultCase(number="S04", title="503 always", fault=_UNAVAILABLE),
    FaultCase(
        number="S05", title="connection reset before the headers, once", fault={"reset": True, "count": 1}
    ),
    FaultCase(number="S06", title="no response at all", fault={"hang": True}, most_seconds=100 * SCALE),
    FaultCase(
        number="S07",
        title="first token after two thirds of the timeout",
        latency={"first_token": 20 * SCALE},
    ),
    FaultCase(
        number="S08",
        title="stream cut off in the middle",
        fault={"reset": True, "after_chunks": 40},
    ),
    FaultCase(
        number="S09",
        title="stream silent in the middle, then closed",
        fault={"reset": True, "after_chunks": 20, "delay": 30 * SCALE},
    ),
    FaultCase(
        number="S10",
        title="invalid JSON in the middle of the stream",
        fault={"stream_fault": "garbled_event", "after_chunks": 9},
    ),
    FaultCase(
        number="S11",
        title="stream without its last event",
        fault={"stream_fault": "no_metadata"},
        most_seconds=8 * SCALE,
    ),
    FaultCase(
        number="S12",
        title="input too long for the model",
        fault={"error": "ValidationException", "message": "Input is too long for requested model."},
        most_calls=1,
    ),
    FaultCase(
        number="S13",
        title="refused by a content filter",
        fault={"error": "ValidationException", "message": "Output blocked by content filtering policy"},
        most_calls=1,
    ),
    FaultCase(
        number="S14",
        title="stream cut off, and the fallback takes no assistant prefill",
        fault={"reset": True, "after_chunks": 40},
        has_answer=False,
        fallback=NO_PREFILL,
    ),
    FaultCase(number="S16", title="503 always: model and usage are the fallback's", fault=_UNAVAILABLE),
)
