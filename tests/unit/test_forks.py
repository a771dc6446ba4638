"""A forked process has its own connections, threads and locks."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import pytest

from llmmanager import UnifiedModelManager
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.bedrock.catalog.stores import FileStore, MemoryStore
from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, UnsupportedFeature
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.models.parallel_structures import LoadBalancingStrategy
from llmmanager.bedrock.parallel.executor import Executor
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.transport.clients import ClientPool
from tests.waiting import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    # Python 3.12 and newer warn of forks in processes with threads.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

DENIED = Decision(Next.OTHER_REGION, Kind.ACCESS)


def in_a_fork(check: Callable[[], bool]) -> bool:
    """Whether `check` returns True in a forked process. A process that hangs is ended."""
    child = os.fork()
    if child == 0:
        holds = False
        try:
            holds = run_within(check, seconds=PATIENCE_SECONDS)
        finally:
            os._exit(0 if holds else 1)
    return os.waitpid(child, 0)[1] == 0


def run_within(check: Callable[[], bool], *, seconds: float) -> bool:
    held: list[bool] = []
    thread = threading.Thread(target=lambda: held.append(check()), daemon=True)
    thread.start()
    thread.join(seconds)
    return held == [True]


def locked(*locks: threading.Lock) -> None:
    """Acquire the locks in other threads and do not release them."""
    for lock in locks:
        thread = threading.Thread(target=lock.acquire)
        thread.start()
        thread.join()


def test_a_fork_creates_its_own_clients_even_while_its_parent_creates_one(aws_credentials: None) -> None:
    pool = ClientPool(timeout=5)
    parents = pool.client("bedrock-runtime", "us-east-1")
    locked(pool._lock)
    assert in_a_fork(lambda: pool.client("bedrock-runtime", "us-east-1") is not parents)
    assert pool._clients
    pool._lock.release()
    pool.close()


def test_a_fork_starts_its_own_threads() -> None:
    executor: Executor[int, int] = Executor(lambda item: item * 2, 2)
    assert list(executor.completed([1])) == [(1, 2)]
    assert in_a_fork(lambda: list(executor.completed([1])) == [(1, 2)])
    executor.close()


@pytest.mark.parametrize(
    ("shared", "use"),
    [
        (CallStats(), lambda shared: shared.count([], [])),
        (FeatureMemory(), lambda shared: shared.add("m", UnsupportedFeature("Converse", "tools", True))),
        (Cooldowns(), lambda shared: shared.record_failure(("m", "r"), DENIED)),
        (MemoryStore(), lambda shared: shared.load_all()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_lock_held_by_another_thread_is_free_in_the_fork(shared, use) -> None:
    locked(shared._lock)
    assert in_a_fork(lambda: use(shared) or True)


def test_the_load_balancer_of_a_fork_is_not_blocked() -> None:
    balancer = LoadBalancer(["us-east-1"], LoadBalancingStrategy.ROUND_ROBIN)

    def assigned() -> bool:
        with balancer.assigned(1) as regions:
            return regions == ["us-east-1"]

    locked(balancer._lock)
    assert in_a_fork(assigned)


def test_the_catalog_of_a_fork_is_not_blocked() -> None:
    catalog = UnifiedModelManager(regions=["us-east-1"], ask_api=False)
    locked(catalog._lock, catalog._layers._query_lock, catalog._layers._update_lock)
    assert in_a_fork(lambda: catalog.has_model("Nova Lite"))


def test_a_fork_does_not_inherit_a_running_probe_of_its_parent() -> None:
    target = ModelAccess("m", "M", "us-east-1", AccessMethod.ON_DEMAND, "m")
    cooldowns = Cooldowns(patience=600)
    with cooldowns.turn(target, has_other=False, time_left=float("inf")):
        assert in_a_fork(lambda: cooldowns.turn(target, has_other=False, time_left=float("inf")).is_probe)


def test_a_fork_does_not_use_the_dynamodb_connections_of_its_parent(aws_credentials: None) -> None:
    store = DynamoDBStore("table")
    parents = store._client()
    assert in_a_fork(lambda: store._client() is not parents)
    given = DynamoDBStore("table", client=parents)
    assert in_a_fork(lambda: given._client() is parents)


def test_a_registration_does_not_keep_its_owner_alive(tmp_path) -> None:
    reset: list[object] = []
    owner = FileStore(tmp_path)
    after_fork(owner, reset.append)
    del owner
    gc.collect()
    assert in_a_fork(lambda: reset == [])
