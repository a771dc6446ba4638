"""Figures and tables of the benchmark of the streaming API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tests.benchmarks.figures import Figure
from tests.benchmarks.section import Section, Table
from tests.benchmarks.streaming_load import Latency, Outcome, percentile
from tests.benchmarks.streaming_sides import FUNCTION, LOCAL_SERVER, PROXY
from tests.benchmarks.table import number

OURS = "LLMManager"
RIVAL = "LiteLLM proxy"
ALONE = "boto3 alone"
RATIO = f"x {RIVAL}"
FIRST_TOKEN_BAR_MS = 10.0
GAP_BAR_MS = 20.0
_CPU_NOTE = (
    "of the function's processes; the local server does what API Gateway and Lambda do on AWS, outside of "
    "the function"
)
_MEMORY_NOTE = (
    "of the processes that worked; the function has a process for each request at a time, as on Lambda"
)


@dataclass(frozen=True)
class Measured:
    """All outcomes, by the titles of the sides.

    Attributes:
        singles: streams one after the other.
        complete: complete answers at a fixed rate, for `seconds` in all.
        concurrent: many streams at the same time.
        failing: streams whose first region fails in the middle.
    """

    rate: int
    seconds: int
    streams: int
    single_latency: Latency
    concurrent_latency: Latency
    singles: Mapping[str, Outcome]
    complete: Mapping[str, Outcome]
    concurrent: Mapping[str, Outcome]
    failing: Mapping[str, Outcome]


def section_of(measured: Measured, *, short: bool) -> Section:
    """Return the section; a short run is not judged."""
    figures = [*_bars(measured), *_ratios(measured)]
    if short:
        figures = [replace(figure, bar=None) for figure in figures]
    return Section(tables=list(_tables(measured)), figures=figures)


def _bars(measured: Measured) -> Iterator[Figure]:
    singles, latency = measured.singles, measured.single_latency
    first = {title: _ms(outcome.added_to_first(latency), 50) for title, outcome in singles.items()}
    yield Figure(
        what="one stream: time added to the first token, p50",
        value=first[OURS],
        unit="ms",
        bar=FIRST_TOKEN_BAR_MS,
        parts=_others(first),
        note="from the request until the client has the token, minus FakeBedrock's 100 ms",
    )
    gaps = {title: _ms(outcome.gap_deviations(latency), 50) for title, outcome in singles.items()}
    yield Figure(
        what="one stream: deviation from FakeBedrock's spacing of the chunks, p50",
        value=gaps[OURS],
        unit="ms",
        bar=GAP_BAR_MS,
        parts=_others(gaps),
        note=f"the spacing is {1000 * latency.gap:.0f} ms",
    )
    for what, outcomes in (
        (_rate(measured), measured.complete),
        (_streams(measured), measured.concurrent),
        ("first region fails during the streams", measured.failing),
    ):
        errors = {title: float(outcome.errors) for title, outcome in outcomes.items()}
        yield Figure(
            what=f"{what}: incomplete answers",
            value=errors[OURS],
            unit=f"of {len(outcomes[OURS].answers):,}",
            bar=0,
            parts=_others(errors, unit=""),
        )


def _ratios(measured: Measured) -> Iterator[Figure]:
    if RIVAL not in measured.complete:
        return
    for what, outcomes, added in (
        (f"{_rate(measured)}: added time", measured.complete, Outcome.added),
        (
            f"{_streams(measured)}: time added to the first token",
            measured.concurrent,
            lambda outcome: outcome.added_to_first(measured.concurrent_latency),
        ),
    ):
        load = what.partition(":")[0]
        for percent in (50, 99):
            times = {title: _ms(added(outcome), percent) for title, outcome in outcomes.items()}
            yield _ratio(f"{what}, p{percent}", times, unit="ms")
        cpu = {title: outcome.cpu_ms(_part(title)) for title, outcome in outcomes.items()}
        server = {"local server ms": outcomes[OURS].cpu_ms(LOCAL_SERVER)}
        yield _ratio(f"{load}: CPU time per request", cpu, unit="ms", more=server, note=_CPU_NOTE)
        memory = {title: outcome.most(_part(title)).megabytes for title, outcome in outcomes.items()}
        count = {"processes of the function": float(outcomes[OURS].most(FUNCTION).processes)}
        yield _ratio(f"{load}: memory", memory, unit="MB", more=count, note=_MEMORY_NOTE)


def _ratio(
    what: str,
    values: Mapping[str, float],
    *,
    unit: str,
    more: Mapping[str, float] | None = None,
    note: str = "",
) -> Figure:
    """Return our value as a multiple of that of LiteLLM's proxy."""
    return Figure(
        what=what,
        value=values[OURS] / values[RIVAL],
        unit=RATIO,
        bar=1.0,
        parts={**{f"{title} {unit}": value for title, value in values.items()}, **(more or {})},
        note=note,
    )


def _tables(measured: Measured) -> Iterator[Table]:
    latency = measured.single_latency
    yield _table(
        f"One stream after the other. FakeBedrock sends the first token after {1000 * latency.first:.0f} ms "
        f"and a chunk every {1000 * latency.gap:.0f} ms.",
        measured.singles,
        _stream_columns(latency),
    )
    yield _table(
        f"{_rate(measured)} for {measured.seconds} s; FakeBedrock answers after 100 ms.",
        measured.complete,
        {
            "complete": _complete,
            "added time, p50": lambda title, outcome: _text_ms(outcome.added(), 50),
            "added time, p99": lambda title, outcome: _text_ms(outcome.added(), 99),
            "CPU per request": _cpu,
            "memory": _memory,
        },
    )
    latency = measured.concurrent_latency
    yield _table(
        f"{_streams(measured)}. FakeBedrock sends the first token after {1000 * latency.first:.0f} ms and a "
        f"chunk every {1000 * latency.gap:.0f} ms.",
        measured.concurrent,
        {**_stream_columns(latency), "CPU per stream": _cpu, "memory": _memory},
    )
    yield _table(
        f"{measured.streams} streams start together in the first region, which closes all of them after a "
        "few chunks. An answer is complete if it has the same text as without the failure.",
        measured.failing,
        {"complete": _complete, "calls of Bedrock": lambda title, outcome: f"{outcome.calls}"},
    )


Cell = Callable[[str, Outcome], str]
"""Returns the text of a cell for the title and the outcome of a side."""


def _table(caption: str, outcomes: Mapping[str, Outcome], columns: Mapping[str, Cell]) -> Table:
    rows = [
        [title, *(cell(title, outcome) for cell in columns.values())] for title, outcome in outcomes.items()
    ]
    return Table(headings=["", *columns], rows=rows, caption=caption)


def _stream_columns(latency: Latency) -> dict[str, Cell]:
    return {
        "complete": _complete,
        "added to the first token, p50": lambda title, outcome: _text_ms(outcome.added_to_first(latency), 50),
        "p99": lambda title, outcome: _text_ms(outcome.added_to_first(latency), 99),
        "spacing off by, p50": lambda title, outcome: _text_ms(outcome.gap_deviations(latency), 50),
        "off by, p99": lambda title, outcome: _text_ms(outcome.gap_deviations(latency), 99),
    }


def _complete(title: str, outcome: Outcome) -> str:
    return f"{len(outcome.complete)} of {len(outcome.answers)}"


def _cpu(title: str, outcome: Outcome) -> str:
    texts = [f"{number(outcome.cpu_ms(part))} ms{_of(part)}" for part in outcome.works]
    return ", ".join(texts)


def _memory(title: str, outcome: Outcome) -> str:
    texts = []
    for part in outcome.works:
        work = outcome.most(part)
        count = f" in {work.processes} processes" if work.processes > 1 else ""
        texts.append(f"{work.megabytes:.0f} MB{count}{_of(part)}")
    return ", ".join(texts)


def _of(part: str) -> str:
    return f" ({part})" if part in (FUNCTION, LOCAL_SERVER) else ""


def _part(title: str) -> str:
    return FUNCTION if title == OURS else PROXY


def _others(values: Mapping[str, float], *, unit: str = " ms") -> dict[str, float]:
    return {f"{title}{unit}": value for title, value in values.items() if title != OURS}


def _rate(measured: Measured) -> str:
    return f"{measured.rate} requests per second"


def _streams(measured: Measured) -> str:
    return f"{measured.streams} streams at a time"


def _ms(seconds: Iterable[float], percent: int) -> float:
    return 1000 * percentile(seconds, percent)


def _text_ms(seconds: Iterable[float], percent: int) -> str:
    return f"{number(_ms(seconds, percent))} ms"
