"""Managers under a quota: how many calls an answer takes, and how much of the quota is used.

    python -m tests.benchmarks.quota_cases [--short] [name ...]

FakeBedrock and every group of managers run in processes of their own. Calls, tokens and times come from
FakeBedrock; a share above 1 is possible, since the first window is empty when the requests begin.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace

from tests.benchmarks.fake import Fake, fake_bedrock
from tests.benchmarks.quota_worker import Task
from tests.benchmarks.sides import ROOT

TOKENS = 8_000
WINDOW_SECONDS = 10.0
LATENCY = (0.2, 0.6)
CONCURRENCY = 32
MAX_TOKENS = 120
# Nova Lite has one access method in each of these regions, so that each has one quota.
REGIONS = ("eu-central-1", "eu-west-1", "eu-west-3")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Managers with default settings, and the quota they share.

    Attributes:
        requests: of all managers together.
        managers: in each process, on a thread each.
        known: whether each process is given its part of the quota.
        changes: (seconds from the start, tokens per window) from which on the quota is another.
        requests_per_window: the quota, in place of tokens.
        most_calls: calls per answer that must not be exceeded.
        least_share: part of the quota that must be used.
    """

    title: str
    requests: int
    most_calls: float
    least_share: float
    processes: int = 1
    managers: int = 1
    regions: Sequence[str] = REGIONS[:1]
    known: bool = False
    changes: Sequence[tuple[float, int]] = ()
    requests_per_window: int | None = None
    window_seconds: float = WINDOW_SECONDS
    latency: tuple[float, float] = LATENCY

    def quota(self) -> dict[str, int]:
        """The quota at the start, as a rule of FakeBedrock."""
        if self.requests_per_window is not None:
            return {"requests_per_minute": self.requests_per_window}
        return {"tokens_per_minute": TOKENS}

    def task(self) -> Task:
        """What each process does."""
        return Task(
            requests=self.requests // (self.processes * self.managers),
            managers=self.managers,
            concurrency=CONCURRENCY,
            max_tokens=MAX_TOKENS,
            regions=list(self.regions),
            known=TOKENS if self.known else None,
            share=1 / self.processes,
        )

    def allowed(self, seconds: float) -> float:
        """What the quota allows in so many seconds from the start."""
        amount, since, total = float(self.requests_per_window or TOKENS), 0.0, 0.0
        for at, following in self.changes:
            total += amount * (min(at, seconds) - since)
            amount, since = following, min(at, seconds)
        total += amount * (seconds - since)
        return total * len(self.regions) / self.window_seconds


CASES = {
    "one": Case(title="one manager, unknown quota", requests=1000, most_calls=1.05, least_share=0.92),
    "threads": Case(
        title="four managers in threads, unknown quota",
        requests=1000,
        managers=4,
        most_calls=1.20,
        least_share=0.88,
    ),
    "processes": Case(
        title="four processes, unknown quota", requests=1000, processes=4, most_calls=1.35, least_share=0.80
    ),
    "quarters": Case(
        title="four processes, each given a quarter",
        requests=1000,
        processes=4,
        known=True,
        most_calls=1.03,
        least_share=0.90,
    ),
    "regions": Case(
        title="three regions with a quota each",
        requests=1200,
        regions=REGIONS,
        most_calls=1.05,
        least_share=0.90,
    ),
    "changed": Case(
        title="quota halved after 30 s, restored after 60 s",
        requests=800,
        changes=((30.0, TOKENS // 2), (60.0, TOKENS)),
        most_calls=1.15,
        least_share=0.85,
    ),
    "requests": Case(
        title="85 requests per window instead of tokens",
        requests=1000,
        requests_per_window=85,
        most_calls=1.05,
        least_share=0.92,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        seconds: from the first call to the end of the last one.
        share: settled tokens (or answers, where requests are limited) over what the quota allowed meanwhile.
    """

    case: Case
    answered: int
    calls: int
    throttled: int
    seconds: float
    share: float

    @property
    def calls_per_answer(self) -> float:
        """All calls over the answers."""
        return self.calls / max(self.answered, 1)

    @property
    def holds(self) -> bool:
        """Whether every request was answered, and both bars are met."""
        return (
            self.answered == self.case.requests
            and self.calls_per_answer <= self.case.most_calls
            and self.share >= self.case.least_share
        )

    def row(self) -> tuple[str, ...]:
        """The outcome under `HEADINGS`."""
        case = self.case
        return (
            case.title,
            f"{self.answered} of {case.requests}",
            f"{self.calls_per_answer:.3f} (≤ {case.most_calls:.2f})",
            f"{self.share:.3f} (≥ {case.least_share:.2f})",
            f"{self.seconds:.0f} s",
            "yes" if self.holds else "NO",
        )


HEADINGS = ("case", "answered", "calls per answer", "share of the quota", "time", "holds")


def run(case: Case) -> Outcome:
    """Run a case; it takes one to three minutes."""
    with fake_bedrock(window_seconds=case.window_seconds) as fake, ExitStack() as stack:
        fake.reset()
        fake.add_rules(quotas=[case.quota()], latencies=[{"seconds": list(case.latency)}])
        workers = [stack.enter_context(_worker(fake, case.task())) for _ in range(case.processes)]
        changes = [
            threading.Timer(seconds, fake.add_rules, kwargs={"quotas": [{"tokens_per_minute": tokens}]})
            for seconds, tokens in case.changes
        ]
        for started in (*workers, *changes):
            _start(started)
        answered = sum(_answered(worker) for worker in workers)
        for change in changes:
            change.cancel()
        return _outcome(case, fake, answered)


def _outcome(case: Case, fake: Fake, answered: int) -> Outcome:
    calls = [call for call in fake.calls() if call["operation"] == "Converse"]
    start = min(call["started_at"] for call in calls)
    seconds = max(call["ended_at"] for call in calls) - start
    used = sum(row["settled_tokens"] for row in fake.usage())
    if case.requests_per_window is not None:
        used = sum(call["status"] == 200 for call in calls)
    return Outcome(
        case=case,
        answered=answered,
        calls=len(calls),
        throttled=sum(call["status"] == 429 for call in calls),
        seconds=seconds,
        share=used / case.allowed(seconds),
    )


@contextmanager
def _worker(fake: Fake, task: Task) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready to start."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.quota_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **fake.environment},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(asdict(task)), file=process.stdin, flush=True)
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def _start(worker: subprocess.Popen[str] | threading.Timer) -> None:
    if isinstance(worker, threading.Timer):
        worker.start()
    else:
        assert worker.stdin is not None
        print(file=worker.stdin, flush=True)


def _answered(worker: subprocess.Popen[str]) -> int:
    assert worker.stdout is not None
    answered: int = json.loads(worker.stdout.readline())["answered"]
    return answered


def shortened(case: Case) -> Case:
    """Return a form of the case that takes seconds and only shows that it runs."""
    return replace(
        case,
        requests=case.requests // 10,
        window_seconds=WINDOW_SECONDS / 10,
        latency=(LATENCY[0] / 10, LATENCY[1] / 10),
        changes=[(seconds / 100, tokens) for seconds, tokens in case.changes],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named cases, all without a name; return how many do not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="seconds instead of minutes: only see that it runs"
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(CASES)}")
    options = parser.parse_args(arguments)
    missed = 0
    print(" | ".join(HEADINGS), flush=True)
    for name in options.names or CASES:
        outcome = run(shortened(CASES[name]) if options.short else CASES[name])
        print(" | ".join(outcome.row()), flush=True)
        missed += not outcome.holds
    return missed


if __name__ == "__main__":
    sys.exit(main())
