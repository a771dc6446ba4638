"""Many threads on one manager: what is shared is made once, and what is counted is counted exactly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from llmmanager.bedrock.invocation.clients import ClientPool
from llmmanager.bedrock.invocation.features import FeatureMemory
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.parallel.gauge import Gauge
from llmmanager.testing import FakeBedrock


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    """Let threads take turns far more often, so that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], None], threads: int = 16) -> None:
    """Run `work` on many threads that all start at the same moment."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def test_a_region_has_one_client_however_many_threads_ask_first(fake_bedrock: FakeBedrock) -> None:
    pool = ClientPool(timeout=5)
    clients: list[int] = []
    at_once(lambda number: clients.append(id(pool.client("bedrock-runtime", "us-east-1"))))
    assert len(set(clients)) == 1
    pool.close()


def test_no_call_is_lost_from_the_statistics() -> None:
    stats = CallStats()

    def count(number: int) -> None:
        for _ in range(300):
            stats.count([], [])

    at_once(count)
    assert stats.snapshot()["requests"] == 16 * 300


def test_no_refused_feature_is_lost_from_memory() -> None:
    memory = FeatureMemory()
    at_once(lambda number: [memory.remember("model", f"feature-{number}-{n}") for n in range(50)] and None)
    assert len(memory.refused_by("model")) == 16 * 50


def test_the_gauge_comes_back_to_nothing() -> None:
    gauge = Gauge()

    def pass_through(number: int) -> None:
        for _ in range(300):
            with gauge.one_more():
                pass

    at_once(pass_through)
    assert 1 <= gauge.most <= 16
    assert gauge._now == 0
