"""Many requests under a token quota: this library and what one would use instead, on one FakeBedrock.

The settings of each rival are chosen first: every configuration of `quota_contenders` runs once, all
at the same time and each with a quota of its own. The best one of each rival then runs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.benchmarks import quota_cases
from tests.benchmarks.fake import Fake, fake_bedrock
from tests.benchmarks.quota_contenders import OURS, RIVALS
from tests.benchmarks.quota_outcome import Case, Contender, Outcome
from tests.benchmarks.quota_report import section_of
from tests.benchmarks.section import Section, Table
from tests.benchmarks.sides import Bench

# Nova Lite has one access method in this region, so that all contenders have one and the same quota.
REGION = "eu-central-1"
MODEL = {"name": "Nova Lite", "id": "eu.amazon.nova-lite-v1:0"}
FULL = Case(requests=400, tokens=8_000, window_seconds=10, latency=(0.2, 0.6))
SHORT = Case(requests=40, tokens=4_500, window_seconds=1, latency=(0.02, 0.06))


def section(*, short: bool) -> Section:
    """Run the case with every contender."""
    case = SHORT if short else FULL
    tried = [] if short else tried_out(case)
    chosen = [best(outcomes) for outcomes in tried] or [rival[0] for rival in RIVALS]
    with fake_bedrock(window_seconds=case.window_seconds) as fake:
        outcomes = [run(fake, case, contender) for contender in (OURS, *chosen)]
    section = section_of(outcomes, [outcome for one in tried for outcome in one])
    return replace(section, tables=[*section.tables, more_cases(short=short)])


def more_cases(*, short: bool) -> Table:
    """Run this library alone in more cases: several managers, several regions, other quotas."""
    cases = [quota_cases.CASES["one"]] if short else list(quota_cases.CASES.values())
    with ThreadPoolExecutor(len(cases)) as pool:
        found = list(pool.map(quota_cases.run, map(quota_cases.shortened, cases) if short else cases))
    return Table(
        headings=quota_cases.HEADINGS,
        rows=[outcome.row() for outcome in found],
        caption=(
            "LLMManager in more cases, with the limits that the project sets itself. The quota is the same, "
            "for each region, unless the case names another. All cases run at the same time."
        ),
    )


def tried_out(case: Case) -> list[list[Outcome]]:
    """Run all configurations of the rivals at the same time; the outcomes by rival."""

    def alone(contender: Contender) -> Outcome:
        with fake_bedrock(window_seconds=case.window_seconds) as fake:
            return run(fake, case, contender)

    with ThreadPoolExecutor(sum(map(len, RIVALS))) as pool:
        jobs = [[pool.submit(alone, contender) for contender in rival] for rival in RIVALS]
        return [[job.result() for job in rival] for rival in jobs]


def best(outcomes: Sequence[Outcome]) -> Contender:
    """Return the configuration with the most answers; of equal ones, the fastest."""
    return max(outcomes, key=lambda outcome: (outcome.answered, -outcome.seconds)).contender


def run(fake: Fake, case: Case, contender: Contender) -> Outcome:
    """Run the case with one contender in an interpreter of its own."""
    fake.reset()
    arguments = {
        "regions": [REGION],
        "model": MODEL,
        "concurrency": case.concurrency,
        "max_tokens": case.max_tokens,
    }
    with (
        Bench(fake) as bench,
        bench.running(contender.side, **arguments, **contender.settings) as [worker],
    ):
        fake.add_rules(**case.rules())
        measured = worker.measure("answered", prompts=case.prompts())
    return Outcome(
        contender,
        case,
        int(measured["answered"]),
        measured["seconds"],
        fake.calls(),
        sum(row["settled_tokens"] for row in fake.usage()),
    )
