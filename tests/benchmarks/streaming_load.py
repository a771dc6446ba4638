"""Put the same load on several servers in turns, and measure what each adds to FakeBedrock's own time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.fake import Fake
from tests.benchmarks.process_usage import Work, work_between
from tests.benchmarks.streaming_client import Received
from tests.benchmarks.streaming_sides import Side

# Time for work that a server does after an answer, such as logging.
_SETTLE_SECONDS = 1.0
# More than the servers that are measured answer at once.
_SENDERS = 64


@dataclass(frozen=True)
class Latency:
    """FakeBedrock's times in seconds: of a complete answer, of a stream's first token, between two pieces."""

    complete: float = 0.0
    first: float = 0.0
    gap: float = 0.0

    def set(self, fake: Fake) -> None:
        """Forget all calls, and answer with these times from now on."""
        fake.reset()
        fake.add_rules(
            latencies=[{"seconds": self.complete, "first_token": self.first, "per_chunk": self.gap}]
        )


@dataclass
class Outcome:
    """What became of a load on one side.

    Attributes:
        bedrock: seconds that Bedrock's calls took, by question.
        calls: the number of calls of Bedrock.
        works: the work of the side's processes, by their part in it; one for each turn.
    """

    answers: list[Received] = field(default_factory=list)
    bedrock: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    works: dict[str, list[Work]] = field(default_factory=dict)

    @property
    def complete(self) -> list[Received]:
        """The complete answers."""
        return [answer for answer in self.answers if not answer.error]

    @property
    def errors(self) -> int:
        """The number of incomplete answers."""
        return len(self.answers) - len(self.complete)

    def added(self) -> list[float]:
        """Seconds that were added to Bedrock's time, for each complete answer."""
        return [answer.ended - answer.asked - self.bedrock[answer.question] for answer in self.complete]

    def added_to_first(self, latency: Latency) -> list[float]:
        """Seconds that were added until the first token, for each answer with a token."""
        return [answer.pieces[0] - answer.asked - latency.first for answer in self.answers if answer.pieces]

    def gap_deviations(self, latency: Latency) -> list[float]:
        """By how many seconds each gap between two pieces differs from FakeBedrock's."""
        return [
            abs(later - earlier - latency.gap)
            for answer in self.complete
            for earlier, later in zip(answer.pieces, answer.pieces[1:], strict=False)
        ]

    def cpu_ms(self, part: str) -> float:
        """CPU milliseconds per request of a part."""
        return 1000 * sum(work.cpu_seconds for work in self.works[part]) / len(self.answers)

    def most(self, part: str) -> Work:
        """The work of a part in the turn in which its processes held most memory."""
        return max(self.works[part], key=lambda work: work.megabytes)


Load = Callable[[Side, Sequence[str]], list[Received]]
"""Asks all questions of a side and returns what was received."""


def in_turns(
    sides: Sequence[Side], load: Load, *, questions: int, turns: int, latency: Latency, fake: Fake
) -> dict[str, Outcome]:
    """Return the outcome of each side by its title. Each turn begins with another side.

    Args:
        questions: number of questions in each turn of a side.
    """
    outcomes = {side.title: Outcome() for side in sides}
    for turn in range(turns):
        for place in range(len(sides)):
            side = sides[(turn + place) % len(sides)]
            asked = [f"{side.title}, turn {turn}: what is {number} squared?" for number in range(questions)]
            _measure(side, load, asked, outcomes[side.title], latency=latency, fake=fake)
    return outcomes


def warm(side: Side, *, count: int, fake: Fake) -> None:
    """Ask so many questions at once, so that each process of a side has answered one."""
    Latency(first=2.0).set(fake)
    for answer in ask_at_once(side, [f"{side.title}: warm up {number}" for number in range(count)]):
        if answer.error:
            raise RuntimeError(f"{side.title}: {answer.error}")


def at_rate(rate: float) -> Load:
    """Return a load of so many complete answers per second, due at fixed times."""

    def load(side: Side, questions: Sequence[str]) -> list[Received]:
        begun = time.monotonic()
        due = {question: begun + number / rate for number, question in enumerate(questions)}
        received: list[Received] = []
        waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def send() -> None:
            while (question := waiting.get()) is not None:
                received.append(side.client.ask(question, stream=False, due=due[question]))

        with _Threads([send] * _SENDERS):
            for question in questions:
                time.sleep(max(0.0, due[question] - time.monotonic()))
                waiting.put(question)
            for _ in range(_SENDERS):
                waiting.put(None)
        return received

    return load


def concurrent_streams(count: int, *, stagger: float) -> Load:
    """Return a load of so many streams at a time, the first ones started some seconds apart."""

    def load(side: Side, questions: Sequence[str]) -> list[Received]:
        received: list[Received] = []

        def send(number: int) -> None:
            time.sleep(number * stagger)
            for question in questions[number::count]:
                received.append(side.client.ask(question, stream=True))

        with _Threads([lambda number=number: send(number) for number in range(count)]):  # type: ignore[misc]
            pass
        return received

    return load


def one_by_one(side: Side, questions: Sequence[str]) -> list[Received]:
    """Ask for one stream after the other."""
    return [side.client.ask(question, stream=True) for question in questions]


def ask_at_once(side: Side, questions: Sequence[str]) -> list[Received]:
    """Ask for all streams at the same time."""
    return concurrent_streams(len(questions), stagger=0.0)(side, questions)


def percentile(values: Iterable[float], percent: int) -> float:
    """Return a percentile; nan without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else float("nan")


def _measure(
    side: Side, load: Load, questions: Sequence[str], outcome: Outcome, *, latency: Latency, fake: Fake
) -> None:
    latency.set(fake)
    before = side.usage()
    outcome.answers += load(side, questions)
    time.sleep(_SETTLE_SECONDS)
    for part, after in side.usage().items():
        outcome.works.setdefault(part, []).append(work_between(before[part], after))
    for call in fake.calls():
        outcome.calls += 1
        question = call["body"]["messages"][0]["content"][0]["text"]
        seconds = (call["ended_at"] or call["started_at"]) - call["started_at"]
        outcome.bedrock[question] = outcome.bedrock.get(question, 0.0) + seconds


class _Threads:
    """Runs functions in threads. They have ended at the end of the block."""

    def __init__(self, works: Sequence[Callable[[], None]]) -> None:
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()
