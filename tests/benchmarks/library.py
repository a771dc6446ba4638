"""What LLMManager costs beside bare boto3: ratios, each taken in one run with both sides in turn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from llmmanager.bedrock.transport.clients import CONNECT_TIMEOUT_SECONDS
from tests.benchmarks.down import refused, silent
from tests.benchmarks.fake import fake_bedrock
from tests.benchmarks.figures import Figure
from tests.benchmarks.sides import BOTO3, LLMMANAGER, REGIONS, ROOT, Bench, Side, in_turn
from tests.benchmarks.table import print_figures

RATIO = "x boto3"
# Of an answer, where the time of many at once is measured.
LATENCY = 0.1
OTHER_REGION = {"region": "eu-central-1", "id": "eu.amazon.nova-lite-v1:0", "name": "Nova Lite"}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: times that both sides start in fresh interpreters; the median is reported.
        fresh: interpreters started a round for each figure of a start.
        turns: how often a side's turn comes in a round.
        calls: calls, or streams, in a turn.
        requests: requests run at once.
        slow_requests: those of a second each, 200 at a time.
        remembered: calls over which memory is watched.
    """

    rounds: int
    fresh: int
    turns: int
    calls: int
    requests: int
    slow_requests: int
    remembered: int


FULL = Size(rounds=3, fresh=5, turns=12, calls=30, requests=200, slow_requests=1_000, remembered=5_000)
SHORT = Size(rounds=1, fresh=1, turns=1, calls=3, requests=20, slow_requests=200, remembered=50)


def figures(*, short: bool, rounds: int = FULL.rounds) -> list[Figure]:
    """All figures of the library."""
    size = SHORT if short else Size(**{**vars(FULL), "rounds": rounds})
    with fake_bedrock() as fake, Bench(fake) as bench:
        return [
            *single_calls(bench, size),
            *single_calls(bench, size, regions=[OTHER_REGION["region"]], model=OTHER_REGION),
            *streams(bench, size),
            *many(bench, size),
            *starts(bench, size),
            many_slow(bench, size),
            memory(bench, size),
            *regions_down(bench, size),
            catalog_calls(bench, size),
            own_time(bench, size),
            command_help(size),
        ]


def ratio(
    what: str,
    ours: Sequence[float],
    boto3: Sequence[float],
    *,
    bar: float,
    stretch: float,
    unit: str = "ms",
    note: str = "",
) -> Figure:
    """The median over rounds of what our side takes of bare boto3's seconds."""
    scale = {"s": 1, "ms": 1e3, "us": 1e6}[unit]
    return Figure(
        what=what,
        value=median(mine / theirs for mine, theirs in zip(ours, boto3, strict=True)),
        unit=RATIO,
        bar=bar,
        stretch=stretch,
        parts={f"LLMManager {unit}": median(ours) * scale, f"boto3 {unit}": median(boto3) * scale},
        note=note,
    )


def starts(bench: Bench, size: Size) -> Iterator[Figure]:
    """Import and cold start, each in fresh interpreters."""
    for what, take, bar, stretch in (
        ("import", bench.importing, 0.40, 0.25),
        ("cold start: import, three regions, first answer", bench.cold_start, 1.05, 0.85),
    ):
        ours, boto3 = _fresh(take, size)
        yield ratio(what, ours, boto3, bar=bar, stretch=stretch)


def command_help(size: Size) -> Figure:
    """Start of the command line, beside an interpreter that does nothing."""
    help_, nothing = ["-m", "llmmanager", "--help"], ["-c", "pass"]
    taken = [(_seconds_of(help_), _seconds_of(nothing)) for _ in range(size.rounds * size.fresh)]
    ours, empty = (median(seconds) for seconds in zip(*taken, strict=True))
    return Figure(
        what="llmmanager --help",
        value=ours / empty,
        unit="x python -c pass",
        bar=5,
        stretch=3,
        parts={"llmmanager --help ms": ours * 1e3, "python -c pass ms": empty * 1e3},
    )


def _seconds_of(arguments: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _fresh(take: Callable[[Side], float], size: Size) -> tuple[list[float], list[float]]:
    """Both sides' seconds by round, after one start each that writes and reads the compiled files."""
    for side in (LLMMANAGER, BOTO3):
        take(side)
    rounds = [[(take(LLMMANAGER), take(BOTO3)) for _ in range(size.fresh)] for _ in range(size.rounds)]
    ours = [median(mine for mine, _ in starts) for starts in rounds]
    return ours, [median(theirs for _, theirs in starts) for starts in rounds]


def _rounds(bench: Bench, size: Size, measure: str, **changes: Any) -> _Rounds:
    """Both sides in turn, in fresh interpreters each round, warmed up first."""
    taken = []
    for _ in range(size.rounds):
        bench.fake.reset()
        with bench.running(LLMMANAGER, BOTO3, **changes) as workers:
            in_turn(workers, measure, turns=1, count=3)
            taken.append(in_turn(workers, measure, turns=size.turns, count=size.calls))
    return _Rounds(taken)


@dataclass(frozen=True)
class _Rounds:
    """By round, what both sides measured."""

    taken: Sequence[Sequence[Mapping[str, float]]]

    def of(self, key: str) -> tuple[list[float], list[float]]:
        return [ours[key] for ours, _ in self.taken], [boto3[key] for _, boto3 in self.taken]


def single_calls(bench: Bench, size: Size, **changes: Any) -> Iterator[Figure]:
    """One converse() at a time, warm."""
    where = changes["regions"][0] if changes else "home region"
    taken = _rounds(bench, size, "calls", **changes)
    for what, key in (("time (p50)", "seconds"), ("CPU", "cpu_seconds")):
        ours, boto3 = taken.of(key)
        yield ratio(f"converse(), {where}: {what}", ours, boto3, bar=1.03, stretch=0.80)


def streams(bench: Bench, size: Size) -> Iterator[Figure]:
    """One converse_stream() at a time, warm."""
    taken = _rounds(bench, size, "streams")
    for what, key, unit in (
        ("time to first token", "first_seconds", "ms"),
        ("CPU a chunk", "chunk_cpu_seconds", "us"),
    ):
        ours, boto3 = taken.of(key)
        yield ratio(f"converse_stream(): {what}", ours, boto3, bar=1.05, stretch=0.90, unit=unit)


def many(bench: Bench, size: Size) -> Iterator[Figure]:
    """Requests at once over three regions, against a pool of threads on one client."""
    for concurrency in (10, 50):
        taken = []
        for _ in range(size.rounds):
            bench.fake.reset(latency=LATENCY)
            with bench.running(LLMMANAGER, BOTO3) as workers:
                in_turn(workers, "prepare_many", turns=1, concurrency=concurrency)
                in_turn(workers, "many", turns=1, count=concurrency)
                taken.append(in_turn(workers, "many", turns=min(size.turns, 2), count=size.requests))
        ours, boto3 = _Rounds(taken).of("seconds")
        ideal = size.requests / concurrency * LATENCY
        yield ratio(
            f"{size.requests} requests of {LATENCY} s, {concurrency} at a time",
            ours,
            boto3,
            bar=1.05,
            stretch=0.90,
            unit="s",
            note=f"ideal: {ideal:.2f} s",
        )


def many_slow(bench: Bench, size: Size) -> Figure:
    """Requests of a second, 200 at a time in one process, against the time that they must take."""
    concurrency, seconds = 200, []
    ideal = size.slow_requests / concurrency
    for _ in range(size.rounds):
        bench.fake.reset()
        with bench.running(LLMMANAGER) as [worker]:
            worker.measure("prepare_many", concurrency=concurrency)
            worker.measure("many", count=concurrency)
            bench.fake.reset(latency=1.0)
            seconds.append(worker.measure("many", count=size.slow_requests)["seconds"])
    return Figure(
        what=f"{size.slow_requests:,} requests of 1 s, {concurrency} at a time",
        value=median(seconds) / ideal,
        unit="x ideal",
        bar=1.3,
        stretch=1.1,
        parts={"LLMManager s": median(seconds), "ideal s": ideal},
    )


def memory(bench: Bench, size: Size) -> Figure:
    """What stays in memory of many calls."""
    bench.fake.reset()
    grown = {}
    for side in (LLMMANAGER, BOTO3):
        with bench.running(side) as [worker]:
            worker.measure("calls", count=min(200, size.remembered))
            grown[f"{side.title} MB"] = worker.measure("memory", count=size.remembered)["megabytes"]
    return Figure(
        what=f"memory after {size.remembered:,} requests",
        value=max(grown["LLMManager MB"], 0.0),
        unit="MB more",
        bar=5,
        stretch=1,
        parts=grown,
    )


def regions_down(bench: Bench, size: Size) -> Iterator[Figure]:
    """How much later the first answer comes when the first region cannot be reached."""
    with silent() as silent_address:
        found: dict[str, list[float]] = {"up": [], "refused": [], "silent": []}
        first = {"up": bench.fake.address, "refused": refused(), "silent": silent_address}
        for _ in range(size.rounds):
            bench.fake.reset(latency=LATENCY)
            for case, address in first.items():
                addresses = {**dict.fromkeys(REGIONS, bench.fake.address), REGIONS[0]: address}
                for _ in range(1 if case == "silent" else size.fresh):
                    with bench.running(SEVERAL_ADDRESSES, addresses=addresses) as [worker]:
                        found[case].append(worker.measure("calls", count=1)["seconds"])
    seconds = {case: median(taken) for case, taken in found.items()}
    for case, unit, reference in (
        ("refused", "x an answer's time", LATENCY),
        ("silent", "x the connect timeout", CONNECT_TIMEOUT_SECONDS),
    ):
        yield Figure(
            what=f"first region down ({case}): delay of the first answer",
            value=(seconds[case] - seconds["up"]) / reference,
            unit=unit,
            bar=1.05,
            parts={"first answer s": seconds[case], "all regions up s": seconds["up"], "x is s": reference},
        )


SEVERAL_ADDRESSES = Side("LLMManager", "side_regions", "library", "from llmmanager import LLMManager")


def catalog_calls(bench: Bench, size: Size) -> Figure:
    """Calls of Bedrock that are no Converse call, from the first request on."""
    bench.fake.reset()
    with bench.running(LLMMANAGER) as [worker]:
        worker.measure("calls", count=size.calls)
    operations = [call["operation"] for call in bench.fake.calls()]
    return Figure(
        what="catalog calls besides Converse",
        value=len(operations) - operations.count("Converse"),
        unit="calls",
        bar=0,
        parts={"Converse calls": operations.count("Converse")},
    )


def own_time(bench: Bench, size: Size) -> Figure:
    """CPU time of FakeBedrock per call, which no side can be faster than in a row."""
    bench.fake.reset()
    with bench.running(BOTO3) as [worker]:
        before = bench.fake.cpu_seconds()
        count = max(100, size.calls * 10)
        worker.measure("calls", count=count)
        used = bench.fake.cpu_seconds() - before
    return Figure(what="CPU time of FakeBedrock per call", value=used / count * 1000, unit="ms")


if __name__ == "__main__":
    print_figures(figures(short=False))
