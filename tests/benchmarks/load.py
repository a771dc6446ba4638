"""The HTTP function under load: requests that are due at fixed times, over processes that take one at a time.

    python -m tests.benchmarks.load

Each process is what Lambda calls an execution environment: it runs the function out of its asset and
nothing else. A request waits until one is free; how long, and how long it then takes, are measured apart.
The same load is put on boto3 alone, so that the difference is ours. FakeBedrock and the processes share this
machine's cores: with few of them, times grow where the CPU time of a request does not.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.figures import Figure
from tests.benchmarks.http_function import HttpFunction, http_function
from tests.benchmarks.table import print_figures

LATENCY_SECONDS = 0.1
# That the function may take for a request, and some.
LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """So many requests a second for so long, over so many processes."""

    rate: int
    seconds: float
    processes: int

    def __str__(self) -> str:
        return f"{self.rate} requests/s for {self.seconds:g} s over {self.processes} processes"


@dataclass(frozen=True)
class Served:
    """What became of one request; seconds.

    Attributes:
        waited: from when it was due until it was begun.
        took: until the function had its answer.
        bedrock: of those, the time that Bedrock took by its own account.
        cpu: what the process worked meanwhile.
    """

    waited: float
    took: float
    bedrock: float
    cpu: float

    @property
    def own(self) -> float:
        """What was added to Bedrock's time."""
        return self.took - self.bedrock


@dataclass(frozen=True)
class Outcome:
    """What became of a load.

    Attributes:
        due: requests that there were.
        busy: the part of the machine's CPU time that was used, from 0 to 1.
    """

    due: int
    served: Sequence[Served]
    busy: float

    def percentile(self, name: str, percent: int) -> float:
        """Milliseconds of one of the times of `Served`."""
        values = sorted(getattr(served, name) for served in self.served)
        return 1000 * values[min(len(values) * percent // 100, len(values) - 1)]


def figures(*, short: bool) -> list[Figure]:
    """Measure; `short` takes seconds, to see that it works."""
    load = Load(20, 3, 4) if short else Load(100, 60, 20)
    with http_function() as function:
        bare = run(function, "serve-boto3", Load(load.rate, load.seconds / 3, load.processes))
        ours = run(function, "serve", load)
    return [
        Figure(
            what="requests without an answer",
            value=ours.due - len(ours.served),
            unit="requests",
            bar=0,
            parts={"answered": len(ours.served), "% of the machine's CPU time in use": 100 * ours.busy},
            note=str(load),
        ),
        *(added(ours, bare, percent) for percent in (50, 99)),
        waiting(ours),
        Figure(
            what="CPU time per request, p50",
            value=ours.percentile("cpu", 50),
            unit="ms",
            parts={"p99 ms": ours.percentile("cpu", 99), "boto3 alone ms": bare.percentile("cpu", 50)},
        ),
    ]


def added(ours: Outcome, bare: Outcome, percent: int) -> Figure:
    """What the function adds to Bedrock's time, boto3's part included."""
    return Figure(
        what=f"added to Bedrock's time, p{percent}",
        value=ours.percentile("own", percent),
        unit="ms",
        parts={
            "handler ms": ours.percentile("took", percent),
            "Bedrock ms": ours.percentile("bedrock", percent),
            "boto3 alone ms": bare.percentile("own", percent),
        },
        note="includes boto3's part; Bedrock's time is from FakeBedrock's log",
    )


def waiting(ours: Outcome) -> Figure:
    """How long requests wait for a process."""
    return Figure(
        what="delay from due to started, p99",
        value=ours.percentile("waited", 99),
        unit="ms",
        parts={"p50 ms": ours.percentile("waited", 50)},
    )


def run(function: HttpFunction, command: str, load: Load) -> Outcome:
    """Put a load on processes that have answered a first request."""
    function.bedrock.reset(latency=LATENCY_SECONDS)
    with ExitStack() as stack:
        processes = [stack.enter_context(process(function, command)) for _ in range(load.processes)]
        function.bedrock.reset(latency=LATENCY_SECONDS)
        before = cpu_times()
        results = offer(processes, load)
        busy = 1 - _part(before, cpu_times())
    times = {
        call["body"]["messages"][0]["content"][0]["text"]: call["ended_at"] - call["started_at"]
        for call in function.bedrock.calls()
        if call["status"] == 200
    }
    served = [
        Served(
            waited=result["started"] - result["due"],
            took=result["seconds"],
            bedrock=times[result["question"]],
            cpu=result["cpuSeconds"],
        )
        for result in results
        if not result["error"] and result["question"] in times
    ]
    return Outcome(round(load.rate * load.seconds), served, busy)


@contextmanager
def process(function: HttpFunction, command: str) -> Iterator[subprocess.Popen[str]]:
    """One execution environment; ended with the block."""
    environment = subprocess.Popen(
        function.command(command),
        env=function.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        assert environment.stdout is not None
        if not environment.stdout.readline():
            raise RuntimeError(f"{command} does not start")
        yield environment
    finally:
        environment.kill()
        environment.communicate()


def offer(processes: Sequence[subprocess.Popen[str]], load: Load) -> list[dict[str, Any]]:
    """Send each request when it is due, or when a process is free again; gives what each process said."""
    waiting: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
    results: list[dict[str, Any]] = []

    def serve(environment: subprocess.Popen[str]) -> None:
        assert environment.stdin is not None
        assert environment.stdout is not None
        while (request := waiting.get()) is not None:
            due, question = request
            environment.stdin.write(json.dumps(question) + "\n")
            said = environment.stdout.readline()
            if not said:
                return
            results.append({"due": due, "question": question, **json.loads(said)})

    threads = [threading.Thread(target=serve, args=(environment,)) for environment in processes]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    for number in range(round(load.rate * load.seconds)):
        due = begun + number / load.rate
        time.sleep(max(0.0, due - time.monotonic()))
        waiting.put((due, f"What is {number} squared?"))
    for _ in threads:
        waiting.put(None)
    # A process that hangs ends with the block that it was started by; what it owes counts as unanswered.
    given_up_at = time.monotonic() + LONGEST_SECONDS
    for thread in threads:
        thread.join(timeout=max(0.0, given_up_at - time.monotonic()))
    return list(results)


def cpu_times() -> Mapping[str, int]:
    """Ticks of all cores since the start of the machine: idle ones, and all."""
    with open("/proc/stat") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    return {"idle": ticks[3] + ticks[4], "all": sum(ticks)}


def _part(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    return (after["idle"] - before["idle"]) / max(1, after["all"] - before["all"])


if __name__ == "__main__":
    print_figures(figures(short=False))
