"""Many async calls at once, against the time that they must take and against as many threads."""

from __future__ import annotations

from statistics import median

from tests.benchmarks.fake import fake_bedrock
from tests.benchmarks.figures import Figure
from tests.benchmarks.sides import Bench, Side

CONCURRENCY = 200
REQUESTS, SHORT_REQUESTS = 1_000, 200
ROUNDS = 3
IMPORTS = "from llmmanager import LLMManager"
AWAITED = Side("aconverse", "side_async", "library", IMPORTS)
THREADS = Side("converse on threads", "side_threads", "library", IMPORTS)


def figures(*, short: bool) -> list[Figure]:
    """The time of async calls and of threads, and the CPU time of each call."""
    count = SHORT_REQUESTS if short else REQUESTS
    taken: dict[Side, list[dict[str, float]]] = {AWAITED: [], THREADS: []}
    with fake_bedrock() as fake, Bench(fake) as bench:
        for _ in range(1 if short else ROUNDS):
            for side, found in taken.items():
                fake.reset()
                with bench.running(side) as [worker]:
                    worker.measure("prepare_many", concurrency=CONCURRENCY)
                    worker.measure("many", count=CONCURRENCY)
                    fake.reset(latency=1.0)
                    found.append(worker.measure("many", count=count))
    ideal = count / CONCURRENCY
    what = f"{count:,} requests of 1 s, {CONCURRENCY} at a time"
    seconds = {side: median(turn["seconds"] for turn in found) for side, found in taken.items()}
    cpu = {side: median(turn["cpu_seconds"] for turn in found) / count for side, found in taken.items()}
    return [
        *(
            Figure(
                what=f"{side.title}: {what}",
                value=seconds[side] / ideal,
                unit="x ideal",
                bar=1.15 if side is AWAITED else None,
                stretch=1.1 if side is AWAITED else None,
                parts={"s": seconds[side], "ideal s": ideal},
            )
            for side in taken
        ),
        *(
            Figure(what=f"{side.title}: CPU time of a request", value=cpu[side] * 1000, unit="ms")
            for side in taken
        ),
    ]
