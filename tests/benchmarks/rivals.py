"""What one would use instead of LLMManager, each beside bare boto3 in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from tests.benchmarks.fake import fake_bedrock
from tests.benchmarks.figures import Figure
from tests.benchmarks.library import FULL, LATENCY, RATIO, SHORT, Size
from tests.benchmarks.sides import BOTO3, LLMMANAGER, RIVALS, Bench, Side, Worker, in_turn
from tests.benchmarks.sts import fake_sts
from tests.benchmarks.table import print_figures

SIDES = (BOTO3, LLMMANAGER, *RIVALS)
CONCURRENCY = 50


def figures(*, short: bool, rounds: int = FULL.rounds) -> list[Figure]:
    """For each task the ratio of every side to bare boto3."""
    size = SHORT if short else Size(**{**vars(FULL), "rounds": rounds})
    with fake_bedrock() as fake, fake_sts() as sts, Bench(fake, STS=sts) as bench:
        # The calls below start every side as well: that is enough to see that it works.
        starts = (
            []
            if short
            else [
                *compared("import", lambda: fresh(bench.importing, size)),
                *compared("cold start", lambda: fresh(bench.cold_start, size)),
            ]
        )
        return [
            *compared("converse()", lambda: single(bench, size)),
            *compared(
                f"{size.requests} requests of {LATENCY} s, {CONCURRENCY} at a time", lambda: many(bench, size)
            ),
            *starts,
        ]


def compared(task: str, take: Callable[[], Sequence[Sequence[float]]]) -> Iterator[Figure]:
    """One figure a side but boto3, from each round's seconds by side (as `SIDES` has them)."""
    rounds = take()
    boto3 = [row[0] for row in rounds]
    for column, side in list(enumerate(SIDES))[1:]:
        seconds = [row[column] for row in rounds]
        yield Figure(
            what=f"{task}: {side.title}",
            value=median(mine / theirs for mine, theirs in zip(seconds, boto3, strict=True)),
            unit=RATIO,
            parts={"s": median(seconds), "boto3 s": median(boto3)},
        )


def fresh(take: Callable[[Side], float], size: Size) -> list[list[float]]:
    """Seconds of something that happens once an interpreter."""
    for side in SIDES:
        take(side)
    return [[take(side) for side in SIDES] for _ in range(size.rounds)]


def single(bench: Bench, size: Size) -> list[list[float]]:
    """Seconds of one call at a time (p50), warm."""

    def measured(workers: list[Worker]) -> list[float]:
        in_turn(workers, "calls", turns=1, count=3)
        taken = in_turn(workers, "calls", turns=size.turns, count=size.calls)
        return [figure["seconds"] for figure in taken]

    return [_with_workers(bench, measured, latency=0.0) for _ in range(size.rounds)]


def many(bench: Bench, size: Size) -> list[list[float]]:
    """Seconds of many requests at once, warm."""

    def measured(workers: list[Worker]) -> list[float]:
        in_turn(workers, "prepare_many", turns=1, concurrency=CONCURRENCY)
        in_turn(workers, "many", turns=1, count=CONCURRENCY)
        taken = in_turn(workers, "many", turns=min(size.turns, 2), count=size.requests)
        return [figure["seconds"] for figure in taken]

    return [_with_workers(bench, measured, latency=LATENCY) for _ in range(size.rounds)]


def _with_workers(
    bench: Bench, measured: Callable[[list[Worker]], list[float]], *, latency: float
) -> list[float]:
    bench.fake.reset(latency=latency)
    with bench.running(*SIDES) as workers:
        return measured(workers)


if __name__ == "__main__":
    print_figures(figures(short=False))
