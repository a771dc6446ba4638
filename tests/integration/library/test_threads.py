"""Many threads on one manager: what is shared is made once, and what is counted is counted exactly.

Threads take turns between any two bytecodes of the library here, far more often than CPython does by
itself, so that each of these tests fails when its lock is taken out.
"""

from __future__ import annotations

import collections
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, UnsupportedFeature
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.models.parallel_structures import LoadBalancingStrategy
from llmmanager.bedrock.parallel.executor import Executor
from llmmanager.bedrock.parallel.in_flight import InFlightCounter
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.testing import FakeBedrock

THREADS = 8
THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    """Let threads take turns far more often, so that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def gives_way(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
    """A trace function that lets another thread run after any bytecode of the library and of Counter."""
    if not any(part in frame.f_code.co_filename for part in ("llmmanager", collections.__file__)):
        return None
    frame.f_trace_opcodes = True
    if random.random() < 0.2:
        time.sleep(0)
    return gives_way


def at_once(work: Callable[[int], object], threads: int = THREADS, *, give_way: bool = True) -> None:
    """Run `work` on many threads that all start at the same moment."""
    barrier = threading.Barrier(threads)
    errors: list[Exception] = []

    def run(number: int) -> None:
        barrier.wait()
        if give_way:
            sys.settrace(gives_way)
        try:
            work(number)
        except Exception as error:
            errors.append(error)
        finally:
            sys.settrace(None)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert errors == []


def repeat(once: Callable[[], None], rounds: int = 20) -> None:
    """Give the threads many chances to meet."""
    for _ in range(rounds):
        once()


def test_a_region_has_one_client_however_many_threads_ask_first(fake_bedrock: FakeBedrock) -> None:
    pool = ClientPool(timeout=5)
    clients: list[int] = []
    at_once(lambda number: clients.append(id(pool.client("bedrock-runtime", "us-east-1"))), give_way=False)
    assert len(set(clients)) == 1
    pool.close()


def test_no_call_is_lost_from_the_statistics() -> None:
    stats = CallStats()
    at_once(lambda number: [stats.count([], []) for _ in range(50)])
    assert stats.snapshot()["requests"] == THREADS * 50


def test_no_rejected_feature_is_lost_from_memory() -> None:
    memory = FeatureMemory()
    at_once(
        lambda number: [
            memory.add("model", UnsupportedFeature("Converse", f"feature-{number}-{n}", None))
            for n in range(20)
        ]
    )
    assert len(memory.unsupported_by("model")) == THREADS * 20


def test_the_counter_reports_the_maximum_of_concurrent_requests_and_returns_to_zero() -> None:
    def once() -> None:
        counter = InFlightCounter()
        everyone_is_in = threading.Barrier(THREADS)

        def pass_through(number: int) -> None:
            with counter.count():
                everyone_is_in.wait()

        at_once(pass_through)
        assert counter.maximum == THREADS
        with counter.count():
            pass
        assert counter.maximum == THREADS

    repeat(once)


def test_no_failure_is_lost_from_what_makes_a_target_cool() -> None:
    def once() -> None:
        now = 0.0
        cooldowns = Cooldowns(lambda: now)
        at_once(lambda number: cooldowns.record_failure(("model", "region"), THROTTLED), threads=7)
        now = 15.9  # seven failures cool for 16 seconds, six for 8
        assert cooldowns.cooling(("model", "region"))

    repeat(once)


def test_round_robin_gives_every_region_its_share() -> None:
    regions = ["us-east-1", "us-west-2", "us-east-2", "eu-west-1"]
    balancer = LoadBalancer(regions, LoadBalancingStrategy.ROUND_ROBIN)
    firsts: list[str] = []

    def ask(number: int) -> None:
        for _ in range(25):
            with balancer.assigned(1) as chosen:
                firsts.append(chosen[0])

    at_once(ask)
    assert collections.Counter(firsts) == dict.fromkeys(regions, THREADS * 25 // 4)


def test_least_loaded_counts_every_request_in_and_out() -> None:
    regions = [f"region-{number}" for number in range(THREADS)]
    balancer = LoadBalancer(regions, LoadBalancingStrategy.LEAST_LOADED)

    def once() -> None:
        firsts: list[str] = []
        everyone_is_in = threading.Barrier(THREADS)

        def ask(number: int) -> None:
            with balancer.assigned(1) as chosen:
                firsts.append(chosen[0])
                everyone_is_in.wait()

        at_once(ask)
        assert sorted(firsts) == regions

    repeat(once)


def test_an_executor_has_one_set_of_threads_however_many_runs_start_it() -> None:
    def once() -> None:
        executor = Executor(lambda _: threading.get_ident(), 1)
        idents: set[int] = set()
        at_once(lambda number: idents.update(ident for _, ident in executor.completed([number])))
        executor.close()
        assert len(idents) == 1

    repeat(once)


def test_no_region_is_lost_from_a_catalog_that_is_shared() -> None:
    def once() -> None:
        catalog = UnifiedModelManager()
        at_once(lambda number: catalog.add_regions([f"us-test-{number}"]))
        assert sorted(catalog.regions) == [f"us-test-{number}" for number in range(THREADS)]

    repeat(once)


def test_the_catalog_is_put_together_once_however_many_threads_ask_first() -> None:
    catalog = UnifiedModelManager(regions=["us-east-1"])
    seen: list[int] = []
    at_once(lambda number: seen.append(id(catalog.ensure_data_available())))
    assert len(set(seen)) == 1


def test_no_rejected_access_method_is_lost() -> None:
    catalog = UnifiedModelManager(regions=["us-east-1"], ask_api=False)
    models = catalog.ensure_data_available().models
    with_three = [model for model in models if len(catalog.access(model, "us-east-1")) == 3]
    assert with_three

    def once(model: str) -> None:
        ways = catalog.access(model, "us-east-1")
        at_once(
            lambda number: catalog.record_rejection(
                model, "us-east-1", denied_method=ways[number].access_method
            ),
            threads=2,
        )
        assert catalog.access(model, "us-east-1") == (ways[2], ways[0], ways[1])

    for model in with_three:
        once(model)
