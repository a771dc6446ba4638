"""The tables and the plot of the section on faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.faults_outcome import ANSWER, ERROR, FaultOutcome, Outage
from tests.benchmarks.section import Picture, Section, Table
from tests.benchmarks.table import number
from tests.fault_catalogue import TIMEOUT, FaultCase

Outcomes = Mapping[str, Sequence[FaultOutcome]]
Outages = Mapping[str, Outage]


def section_of(outcomes: Outcomes, outages: Outages) -> Section:
    """Return the section; both arguments are by library."""
    return Section(
        pictures=[_picture(outcomes)],
        tables=[_summary(outcomes, outages), _details(outcomes, outages)],
    )


def _summary(outcomes: Outcomes, outages: Outages) -> Table:
    rows = []
    faults = max(len(found) for found in outcomes.values())
    for library, found in outcomes.items():
        rows.append(
            (
                library,
                str(sum(outcome.kind == ANSWER and not outcome.is_bad for outcome in found)),
                str(sum(outcome.kind == ERROR and not outcome.is_bad for outcome in found)),
                str(sum(outcome.is_bad for outcome in found)),
                str(sum(outcome.calls for outcome in found)),
                f"{number(sum(outcome.seconds for outcome in found))} s",
                _outage_cell(outages[library]),
            )
        )
    return Table(
        headings=(
            "library",
            "complete answers",
            "clean errors",
            "neither",
            "calls",
            "time",
            "outage of the first model",
        ),
        rows=rows,
        caption=(
            f"One streamed request for each of {faults} faults, with a second model to fall back to (bare "
            "boto3 has none), and an outage. *Neither* is an incomplete answer that is reported as a "
            "success, a call that hangs, too many calls of the failing model, or a wrong model or usage."
        ),
        in_readme=True,
    )


def _details(outcomes: Outcomes, outages: Outages) -> Table:
    rows = [
        (case.number, case.title, *(_cell(found[place]) for found in outcomes.values()))
        for place, case in enumerate(_cases(outcomes))
    ]
    rows.append(("S15", "503 for a while, then healthy", *(_outage_cell(outages[name]) for name in outcomes)))
    return Table(
        headings=("no.", "fault", *outcomes),
        rows=sorted(rows),
        caption=f"Each library gives up on a silent model after {TIMEOUT:g} s.",
    )


def _cell(outcome: FaultOutcome) -> str:
    calls = f"{outcome.calls} {'call' if outcome.calls == 1 else 'calls'}"
    text = ", ".join([outcome.kind, *outcome.faults, calls, f"{number(outcome.seconds)} s"])
    return f"**{text}**" if outcome.is_bad else text


def _outage_cell(outage: Outage) -> str:
    again = "not used again"
    if outage.recovered_after is not None:
        again = f"used again after {number(outage.recovered_after)} s"
    return f"{outage.answered} of {outage.requests} answered, {outage.calls_while_down} failed calls, {again}"


def _picture(outcomes: Outcomes) -> Picture:
    return Picture(
        name="faults",
        script="plot_faults",
        title="Time until an answer or an error, by fault",
        data={
            "title": "Time until an answer or an error, by fault",
            "below": "seconds",
            "rows": [_name(case) for case in _cases(outcomes)],
            "libraries": {
                library: [{"seconds": outcome.seconds, "mark": _mark(outcome)} for outcome in found]
                for library, found in outcomes.items()
            },
        },
    )


def _cases(outcomes: Outcomes) -> list[FaultCase]:
    return [outcome.case for outcome in next(iter(outcomes.values()))]


def _name(case: FaultCase) -> str:
    return f"{case.number} {case.title.replace('`', '')}"


def _mark(outcome: FaultOutcome) -> str:
    return "bad" if outcome.is_bad else outcome.kind
