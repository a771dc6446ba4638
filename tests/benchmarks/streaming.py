"""The streaming API beside LiteLLM's proxy and boto3 alone: added time, CPU, memory, and failing regions.

The deployed function runs on the streaming runtime behind the local server, which takes the place of API
Gateway and Lambda. Clients send their requests over HTTP, with an API key.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.fake import Fake
from tests.benchmarks.http_function import REGIONS, http_function
from tests.benchmarks.section import Section
from tests.benchmarks.streaming_load import (
    Latency,
    Outcome,
    ask_at_once,
    at_rate,
    concurrent_streams,
    in_turns,
    one_by_one,
    warm,
)
from tests.benchmarks.streaming_report import Measured, section_of
from tests.benchmarks.streaming_sides import Side, boto3_side, litellm_side, llmmanager_side

SINGLE = Latency(first=0.1, gap=0.025)
COMPLETE = Latency(complete=0.1)
CONCURRENT = Latency(first=0.1, gap=0.05)
FAILING = Latency(first=0.1, gap=0.025)
# The first region closes each stream after so many pieces.
_PIECES_BEFORE_FAILURE = 8


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        singles: streams of a side in a turn, one after the other.
        rate: complete answers per second, for `seconds` in a turn.
        streams: streams at the same time, each followed by others, `streams_each` in all.
        spare: processes of the function beyond the streams at a time, because one that has answered needs a
            moment until it takes the next request.
        with_proxy: whether LiteLLM's proxy takes part.
    """

    turns: int
    singles: int
    rate: int
    seconds: int
    streams: int
    streams_each: int
    spare: int
    with_proxy: bool


FULL = Size(turns=6, singles=2, rate=20, seconds=10, streams=20, streams_each=2, spare=4, with_proxy=True)
SHORT = Size(turns=1, singles=2, rate=10, seconds=2, streams=3, streams_each=1, spare=1, with_proxy=False)


def section(*, short: bool) -> Section:
    """Measure; `short` leaves out LiteLLM's proxy."""
    size = SHORT if short else FULL
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory()))
        function = started.enter_context(http_function())
        fake, count = function.bedrock, size.streams + size.spare
        ours = started.enter_context(llmmanager_side(function, processes=count, folder=folder))
        servers = [ours]
        if size.with_proxy:
            servers.append(started.enter_context(litellm_side(fake, folder=folder / "proxy")))
        for side in servers:
            warm(side, count=count, fake=fake)
        return section_of(_measured(servers, boto3_side(fake), size, fake), short=short)


def _measured(servers: Sequence[Side], alone: Side, size: Size, fake: Fake) -> Measured:
    requests, streams = size.rate * size.seconds, size.streams * size.streams_each
    length = CONCURRENT.first + 80 * CONCURRENT.gap
    load = concurrent_streams(size.streams, stagger=length / size.streams)
    return Measured(
        rate=size.rate,
        seconds=size.seconds * size.turns,
        streams=size.streams,
        single_latency=SINGLE,
        concurrent_latency=CONCURRENT,
        singles=in_turns(
            [*servers, alone], one_by_one, questions=size.singles, turns=size.turns, latency=SINGLE, fake=fake
        ),
        complete=in_turns(
            servers, at_rate(size.rate), questions=requests, turns=size.turns, latency=COMPLETE, fake=fake
        ),
        concurrent=in_turns(
            servers, load, questions=streams, turns=size.turns, latency=CONCURRENT, fake=fake
        ),
        # Last, because servers avoid a region that has failed.
        failing=_under_a_failure([*servers, alone], alone, size, fake),
    )


def _under_a_failure(sides: Sequence[Side], alone: Side, size: Size, fake: Fake) -> Mapping[str, Outcome]:
    """Return what becomes of streams that start together in the first region, which then fails."""
    outcomes = {}
    for side in sides:
        questions = [f"Region fails, stream {number}" for number in range(size.streams)]
        FAILING.set(fake)
        whole = {answer.question: answer.text for answer in ask_at_once(alone, questions)}
        FAILING.set(fake)
        fake.add_rules(faults=[{"region": REGIONS[0], "reset": True, "after_chunks": _PIECES_BEFORE_FAILURE}])
        answers = ask_at_once(side, questions)
        for answer in answers:
            if not answer.error and answer.text != whole[answer.question]:
                answer.error = "the text is not that of the answer without a failure"
        outcomes[side.title] = Outcome(answers=answers, calls=len(fake.calls()))
        fake.clear_faults()
    return outcomes
