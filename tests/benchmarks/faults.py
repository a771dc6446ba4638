"""The sixteen faults of the Failover Bench catalogue, one after the other, with each library.

All libraries run at the same time, each with a FakeBedrock of its own: they mostly wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Timer
from time import monotonic, sleep
from typing import Any

from tests.benchmarks.fake import Fake, fake_bedrock
from tests.benchmarks.faults_outcome import FaultOutcome, Outage
from tests.benchmarks.faults_report import section_of
from tests.benchmarks.section import Section
from tests.benchmarks.sides import Bench, Side, Worker
from tests.fault_catalogue import CASES, FALLBACK, PRIMARY, PROMPT, REGION, TIMEOUT, FaultCase

SIDES = (
    Side("LLMManager", "faults_llmmanager", "library", ""),
    Side("LiteLLM Router", "faults_litellm", "litellm", ""),
    Side("ChatBedrockConverse", "faults_langchain", "langchain", ""),
    Side("boto3", "faults_boto3", "library", ""),
)
# After so many seconds a call counts as hanging.
MOST_SECONDS = 20.0


@dataclass(frozen=True)
class Schedule:
    """How many faults are met, and the outage: seconds that the first model is down and between requests."""

    cases: Sequence[FaultCase]
    down: float
    every: float
    requests: int


FULL = Schedule(CASES, down=60, every=4, requests=20)
SHORT = Schedule(CASES[7:8], down=2, every=0.5, requests=8)


def section(*, short: bool) -> Section:
    """Let every library meet every fault."""
    schedule = SHORT if short else FULL
    with ThreadPoolExecutor(len(SIDES)) as pool:
        found = list(pool.map(lambda side: of_side(side, schedule), SIDES))
    titles = [side.title for side in SIDES]
    return section_of(
        dict(zip(titles, (outcomes for outcomes, _ in found), strict=True)),
        dict(zip(titles, (outage for _, outage in found), strict=True)),
    )


def of_side(side: Side, schedule: Schedule) -> tuple[list[FaultOutcome], Outage]:
    """Return what comes of each fault, and of the first model being down for a while."""
    with fake_bedrock() as fake:
        return [meet(fake, side, case) for case in schedule.cases], outlast(fake, side, schedule)


def meet(fake: Fake, side: Side, case: FaultCase) -> FaultOutcome:
    """Call once without the fault and once with it, in an interpreter of its own."""
    fake.reset()
    with Bench(fake) as bench, _running(bench, side, case.fallback) as [worker]:
        whole = _attempt(worker)["text"]
        fake.reset()
        fake.add_rules(**case.rules())
        ended = _attempt(worker)
        return FaultOutcome.of(case, ended, fake.calls(), whole=whole)


def outlast(fake: Fake, side: Side, schedule: Schedule) -> Outage:
    """Send a request every few seconds, of which the first ones find the first model down."""
    fake.reset()
    with Bench(fake) as bench, _running(bench, side, FALLBACK) as [worker]:
        whole = _attempt(worker)["text"]
        fake.reset()
        fake.add_rules(faults=[{"model": PRIMARY["id"], "error": "ServiceUnavailableException"}])
        started, answered = monotonic(), []
        recovery = Timer(schedule.down, fake.clear_faults)
        recovery.start()
        for number in range(schedule.requests):
            sleep(max(0.0, started + number * schedule.every - monotonic()))
            answered.append(_attempt(worker).get("text") == whole)
        recovery.join()
        return Outage.of(answered, fake.calls(), recovered_at=started + schedule.down)


def _running(bench: Bench, side: Side, fallback: Mapping[str, str]) -> Any:
    return bench.running(side, regions=[REGION], models=[PRIMARY, fallback], timeout=TIMEOUT)


def _attempt(worker: Worker) -> dict[str, Any]:
    return worker.measure("attempted", prompt=PROMPT, most_seconds=MOST_SECONDS)
