"""One side of a benchmark in an interpreter of its own: takes measurements as they are asked for.

    python serve.py side_boto3 '{"regions": [...], ...}'

Each line of standard input is a JSON object `{"measure": name, ...}`, answered by one line of JSON. The
measuring is the same for every side; what a side does stands in its own module, as a class `Side` with
`converse()` and, where the library has them, `stream()`, `prepare_many(concurrency)` and `many(count)`; or
with `answered(prompts)` alone, the number of prompts that were answered; or with `stream(prompt)` alone, the
text, the model and the output tokens of an answer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from statistics import median
from time import perf_counter, process_time
from typing import Any


def calls(side: Any, count: int) -> dict[str, Any]:
    """Single calls, one after the other."""
    seconds = []
    cpu_started = process_time()
    for _ in range(count):
        started = perf_counter()
        text = side.converse()
        seconds.append(perf_counter() - started)
        assert text
    return {"seconds": median(seconds), "cpu_seconds": (process_time() - cpu_started) / count}


def streams(side: Any, count: int) -> dict[str, Any]:
    """Streams, one after the other: time to the first text, and CPU of each chunk after it."""
    first, cpu = [], []
    for _ in range(count):
        started = perf_counter()
        chunks = iter(side.stream())
        assert next(chunks)
        first.append(perf_counter() - started)
        cpu_started = process_time()
        rest = sum(1 for _ in chunks)
        cpu.append((process_time() - cpu_started) / rest)
    return {"first_seconds": median(first), "chunk_cpu_seconds": median(cpu), "chunks": rest + 1}


def many(side: Any, count: int) -> dict[str, Any]:
    """Many requests at once."""
    cpu_started, started = process_time(), perf_counter()
    answered = side.many(count)
    seconds = perf_counter() - started
    assert answered == count, f"{answered} of {count} answered"
    return {"seconds": seconds, "cpu_seconds": process_time() - cpu_started}


def answered(side: Any, prompts: list[str]) -> dict[str, Any]:
    """Many requests at once, of which some may fail."""
    started = perf_counter()
    count = side.answered(prompts)
    return {"answered": count, "seconds": perf_counter() - started}


def attempted(side: Any, prompt: str, most_seconds: float) -> dict[str, Any]:
    """One stream of which anything may come: its answer, its error, or neither in time."""
    found: dict[str, Any] = {"hangs": True}

    def attempt() -> None:
        try:
            ended = side.stream(prompt)
        except Exception as error:
            ended = {"error": f"{type(error).__name__}: {error}"[:500]}
        found.update(ended, hangs=False)

    started = perf_counter()
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(most_seconds)
    return {**found, "seconds": perf_counter() - started}


def prepare_many(side: Any, concurrency: int) -> dict[str, Any]:
    """Make ready for `many` with so many requests at once."""
    side.prepare_many(concurrency)
    return {}


def memory(side: Any, count: int) -> dict[str, Any]:
    """By how much resident memory grows over so many calls."""
    before = resident_bytes()
    for _ in range(count):
        assert side.converse()
    return {"megabytes": (resident_bytes() - before) / 1e6}


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


MEASUREMENTS = {
    work.__name__: work for work in (calls, streams, prepare_many, many, answered, attempted, memory)
}


def main() -> None:
    side = importlib.import_module(sys.argv[1]).Side(**json.loads(sys.argv[2]))
    # What a library prints must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        arguments = json.loads(line)
        measure = MEASUREMENTS[arguments.pop("measure")]
        print(json.dumps(measure(side, **arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
