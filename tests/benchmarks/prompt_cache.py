"""Many requests with one system prompt: what it saves to write it to the prompt cache first, and the time."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

from llmmanager import BedrockConverseRequest, ParallelLLMManager, ParallelProcessingConfig
from tests.benchmarks.fake import Fake, fake_bedrock
from tests.benchmarks.figures import Figure

REQUESTS, SHORT_REQUESTS = 200, 40
CONCURRENCY = 32
PREFIX_TOKENS = 3_000
LATENCY = 1.0
ROUNDS = 3
MODEL = "Claude Sonnet 4.5"
# FakeBedrock counts four characters as a token.
RULES = "Rule: be brief. " * (PREFIX_TOKENS // 4)


@dataclass(frozen=True)
class Side:
    """How the requests are sent."""

    title: str
    caches: bool = True
    warm_up: bool = True


@dataclass(frozen=True)
class Run:
    """What a run cost, and how long it took."""

    usd: float
    seconds: float


NO_CACHE = Side("no cache", caches=False)
TOGETHER = Side("all at once", warm_up=False)
FIRST = Side("one request first")


def figures(*, short: bool) -> list[Figure]:
    """The cost and the time of a run that sends one request first, as ratios to the other ways."""
    count = SHORT_REQUESTS if short else REQUESTS
    runs: dict[Side, list[Run]] = {side: [] for side in (NO_CACHE, TOGETHER, FIRST)}
    with fake_bedrock() as fake:
        for _ in range(1 if short else ROUNDS):
            for side, taken in runs.items():
                taken.append(_run(fake, side, count))
    usd = {side: median(run.usd for run in taken) for side, taken in runs.items()}
    seconds = {side: median(run.seconds for run in taken) for side, taken in runs.items()}
    what = f"{count} requests of {LATENCY:g} s, {CONCURRENCY} at a time"
    return [
        _ratio(f"{what}: cost", "USD", usd, to=NO_CACHE, bar=0.2),
        _ratio(f"{what}: cost", "USD", usd, to=TOGETHER, bar=0.5),
        _ratio(f"{what}: time", "s", seconds, to=TOGETHER, bar=1.25),
    ]


def _ratio(what: str, unit: str, values: Mapping[Side, float], *, to: Side, bar: float) -> Figure:
    return Figure(
        what=what,
        value=values[FIRST] / values[to],
        unit=f"x {to.title}",
        bar=bar,
        parts={f"{side.title} {unit}": values[side] for side in (FIRST, to)},
    )


def _run(fake: Fake, side: Side, count: int) -> Run:
    fake.reset()
    requests = [
        BedrockConverseRequest(
            messages=f"Question {number}?",
            system=[{"text": RULES}],
            inference_config={"maxTokens": 20},
            prompt_cache="auto" if side.caches else None,
        )
        for number in range(count)
    ]
    config = ParallelProcessingConfig(max_concurrent_requests=CONCURRENCY, cache_warm_up=side.warm_up)
    with patch.dict(os.environ, fake.environment):
        manager = ParallelLLMManager([MODEL], ["us-east-1"], parallel_config=config)
        # Connections and threads exist before the time is taken.
        manager.converse_parallel([BedrockConverseRequest(messages="Hi") for _ in range(CONCURRENCY * 2)])
        fake.reset(latency=LATENCY)
        start = time.perf_counter()
        result = manager.converse_parallel(requests)
        seconds = time.perf_counter() - start
        manager.close()
    assert result.get_success_rate() == 1.0
    return Run(
        sum(response.estimated_cost_usd or 0.0 for response in result.request_responses.values()), seconds
    )
