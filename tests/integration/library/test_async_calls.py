"""aconverse and aconverse_stream: answers, cancellation, event loops and threads."""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    DeadlineExceededError,
    LLMManager,
    ModelQuota,
    RequestValidationError,
    ResponseValidationConfig,
    RetryExhaustedError,
    ValidationResult,
)
from llmmanager.bedrock.routing import quota_gates
from llmmanager.testing import FakeBedrock, Fault
from tests.unit.test_forks import in_a_fork
from tests.waiting import PATIENCE_SECONDS, wait_until

REGION = "eu-central-1"
"""Nova Lite has one access method there."""
LONG_TEXT = " ".join(f"word{number}" for number in range(300))


@pytest.fixture
def manager(make_manager) -> LLMManager:
    return make_manager(regions=(REGION,))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not call_threads(), "the end of the threads")


def call_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "llmmanager-async"]


def connections(bedrock: FakeBedrock) -> int:
    """The open connections, as the server counts them."""
    return len(bedrock._server._connections)


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


async def cancelled_when(condition: Callable[[], object], call: Coroutine[Any, Any, Any]) -> None:
    """Start a call, and cancel its task when the condition is true."""
    task = asyncio.create_task(call)
    await until(condition)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def gates() -> list[Any]:
    return list(quota_gates._gates._gates.values())


def test_a_call_is_answered_as_converse_answers_it(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask
) -> None:
    async def main() -> list[BedrockResponse]:
        request = BedrockConverseRequest(messages=ask, system=[{"text": "Be brief."}])
        return [
            await manager.aconverse(ask, [{"text": "Be brief."}], inference_config={"maxTokens": 9}),
            await manager.aconverse_with_request(request, regions=[REGION], deadline=60),
        ]

    responses = asyncio.run(main())
    assert all(response.success and response.region_used == REGION for response in responses)
    first, second = (call.body for call in fake_bedrock.calls)
    assert first["system"] == second["system"] == [{"text": "Be brief."}]
    assert first["inferenceConfig"] == {"maxTokens": 9}


def test_exceptions_are_those_of_converse(manager: LLMManager, fake_bedrock: FakeBedrock, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))

    async def raises(expected: type[Exception], call: Awaitable[Any]) -> None:
        with pytest.raises(expected):
            await call

    async def main() -> None:
        await raises(RequestValidationError, manager.aconverse([]))
        await raises(RetryExhaustedError, manager.aconverse(ask))
        await raises(RetryExhaustedError, manager.aconverse_stream(ask))
        await raises(DeadlineExceededError, manager.aconverse(ask, deadline=0))
        await raises(ConfigurationError, manager.aconverse(ask, deadline="soon"))  # type: ignore[arg-type]
        await raises(ConfigurationError, manager.aconverse_with_request("Hello"))  # type: ignore[arg-type]
        await raises(ConfigurationError, manager.aconverse_stream_with_request(ask))
        await raises(ConfigurationError, manager.aconverse(ask, response_validation_config=str))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"aconverse\(\) got an unexpected keyword"):
            await manager.aconverse(ask, temperature=1)  # type: ignore[call-arg]

    asyncio.run(main())


def test_a_stream_is_iterated_by_text_or_by_event(manager: LLMManager, ask, answer_with) -> None:
    answer_with(lambda call: LONG_TEXT)

    async def main() -> None:
        stream = await manager.aconverse_stream(ask)
        texts = [text async for text in stream]
        assert "".join(texts) == stream.get_content() == LONG_TEXT
        assert len(texts) == 300
        assert stream.success
        assert stream.get_usage()["outputTokens"] > 0  # type: ignore[index]
        assert [text async for text in stream] == []

        stream = await manager.aconverse_stream_with_request(BedrockConverseRequest(messages=ask))
        events = [event async for event in stream.events()]
        assert [*events[0], *events[-1]] == ["messageStart", "metadata"]
        assert stream.get_stop_reason() == "end_turn"

        async with await manager.aconverse_stream(ask) as stream:
            assert await stream.get_full_content() == LONG_TEXT

    asyncio.run(main())
    assert manager.get_retry_stats()["requests"] == 3


def test_a_stream_fails_over_between_events(
    make_manager, fake_bedrock: FakeBedrock, ask, answer_with
) -> None:
    answer_with(lambda call: LONG_TEXT)
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=5, count=1))
    manager = make_manager()

    async def main() -> None:
        stream = await manager.aconverse_stream(ask)
        await stream.get_full_content()
        assert len(stream.attempts) == 2
        assert stream.success

    asyncio.run(main())


def leave_by_break(stream: Any) -> Coroutine[Any, Any, None]:
    async def leave() -> None:
        async for _ in stream:
            break

    return leave()


def leave_by_exception(stream: Any) -> Coroutine[Any, Any, None]:
    async def leave() -> None:
        async def fail() -> None:
            async for _ in stream.events():
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

    return leave()


def leave_by_aclose(stream: Any) -> Coroutine[Any, Any, None]:
    async def leave() -> None:
        assert await anext(aiter(stream))
        await stream.aclose()
        assert stream.get_content()
        assert not stream.success

    return leave()


def leave_by_context(stream: Any) -> Coroutine[Any, Any, None]:
    async def leave() -> None:
        with pytest.raises(ZeroDivisionError):
            async with stream:
                raise ZeroDivisionError

    return leave()


async def forget(stream: Any) -> None:
    del stream


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_exception, leave_by_aclose, leave_by_context, forget]
)
def test_a_stream_that_is_left_early_closes_its_connection(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask, answer_with, leave
) -> None:
    answer_with(lambda call: LONG_TEXT)
    fake_bedrock.add_fault(Fault(hang=True, after_chunks=200))

    async def main() -> None:
        await leave(await manager.aconverse_stream(ask))
        await until(lambda: not connections(fake_bedrock))
        await until(lambda: manager.get_retry_stats()["requests"] == 1)

    asyncio.run(main())
    assert manager.get_retry_stats()["attempts"] == 1


def test_a_reader_that_is_cancelled_closes_the_stream(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask
) -> None:
    fake_bedrock.add_fault(Fault(hang=True, after_chunks=2))
    read: list[str] = []

    async def reader() -> None:
        async for text in await manager.aconverse_stream(ask):
            read.append(text)

    async def main() -> None:
        await cancelled_when(lambda: len(read) == 2, reader())
        await until(lambda: not connections(fake_bedrock))

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1


@pytest.mark.parametrize("call", ["aconverse", "aconverse_stream"])
def test_a_cancelled_call_closes_its_connection_and_is_counted(
    make_manager, fake_bedrock: FakeBedrock, ask, call: str
) -> None:
    manager = make_manager()
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        await cancelled_when(lambda: fake_bedrock.in_flight, getattr(manager, call)(ask))
        # The call has ended with its task.
        stats = manager.get_retry_stats()
        assert (stats["requests"], stats["attempts"], stats["retries"]) == (1, 1, 0)
        await until(lambda: not connections(fake_bedrock))
        fake_bedrock.clear_faults()
        assert (await manager.aconverse(ask)).region_used == "us-east-1"

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 2
    assert not manager._resources.cooldowns.any()


def test_a_timeout_ends_a_call(manager: LLMManager, fake_bedrock: FakeBedrock, ask) -> None:
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await manager.aconverse(ask)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.aconverse_stream(ask), 0.1)
        await until(lambda: not connections(fake_bedrock))

    asyncio.run(main())


def test_cancelling_ends_the_wait_before_a_retry(make_manager, fake_bedrock: FakeBedrock, ask) -> None:
    manager = make_manager(regions=(REGION,), retry={"retry_delay": PATIENCE_SECONDS})
    fake_bedrock.add_fault(Fault(error="InternalServerException"))

    async def main() -> None:
        await cancelled_when(lambda: manager._resources.cooldowns.any(), manager.aconverse(ask))
        assert manager.get_retry_stats()["requests"] == 1

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1


def test_cancelling_ends_the_wait_for_quota(
    make_manager, fake_bedrock: FakeBedrock, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    manager = make_manager(regions=(REGION,), quotas=[ModelQuota("Nova Lite", requests_per_minute=1)])

    async def main() -> None:
        await manager.aconverse(ask)
        await cancelled_when(lambda: any(gate._waiters for gate in gates()), manager.aconverse(ask))
        assert not any(gate._waiters for gate in gates())
        assert manager.get_retry_stats()["requests"] == 2

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1


def test_a_cancelled_call_returns_its_reservation(make_manager, fake_bedrock: FakeBedrock, ask) -> None:
    manager = make_manager(regions=(REGION,), quotas=[ModelQuota("Nova Lite", tokens_per_minute=10**9)])
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        await cancelled_when(lambda: fake_bedrock.in_flight, manager.aconverse(ask))

    asyncio.run(main())
    assert [list(gate._usage._charges) for gate in gates()] == [[]]


def test_cancelling_ends_the_wait_for_the_first_outcome_of_a_model(
    make_manager, fake_bedrock: FakeBedrock, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make_manager(regions=(REGION,))
    probes = manager._resources.cooldowns._probes
    monkeypatch.setattr(probes, "_patience", PATIENCE_SECONDS)
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        probing = asyncio.create_task(manager.aconverse(ask))
        await until(lambda: fake_bedrock.in_flight)
        [probe] = probes._running.values()
        await cancelled_when(lambda: probe.ended._wakers, manager.aconverse(ask))
        assert manager.get_retry_stats()["requests"] == 1
        probing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probing

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1


def test_the_task_ends_although_code_of_the_caller_does_not(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask
) -> None:
    entered, may_end = threading.Event(), threading.Event()

    def validate(response: BedrockResponse) -> ValidationResult:
        entered.set()
        may_end.wait(PATIENCE_SECONDS)
        return ValidationResult(success=False)

    validation = ResponseValidationConfig(response_validation_function=validate)

    async def main() -> None:
        call = manager.aconverse(ask, response_validation_config=validation)
        await cancelled_when(entered.is_set, call)
        assert manager.get_retry_stats()["requests"] == 0
        may_end.set()
        await until(lambda: manager.get_retry_stats()["requests"] == 1)

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1


@pytest.mark.parametrize("streaming", [False, True])
def test_many_calls_cancelled_at_random_leave_nothing_behind(
    make_manager,
    fake_bedrock: FakeBedrock,
    ask,
    answer_with,
    monkeypatch: pytest.MonkeyPatch,
    streaming: bool,
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    quota = ModelQuota("Nova Lite", requests_per_minute=150)
    manager = make_manager(regions=(REGION,), quotas=[quota])
    answer_with(lambda call: LONG_TEXT)
    fake_bedrock.set_latency(0.05)
    rng = random.Random(7)
    call = manager.aconverse_stream if streaming else manager.aconverse

    async def answer() -> str:
        response = await call(ask)
        return await response.get_full_content() if streaming else response.get_content()

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(answer()) for _ in range(200)]
        for task in tasks:
            loop.call_later(rng.uniform(0, 0.3), task.cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: manager.get_retry_stats()["requests"] == 200)
        await until(lambda: len(manager._call_threads._idle) == manager._call_threads._count)
        await until(lambda: connections(fake_bedrock) == unused_connections(manager))
        fake_bedrock.set_latency(0)
        return outcomes

    outcomes = asyncio.run(main())
    answered = [outcome for outcome in outcomes if outcome == LONG_TEXT]
    assert len(answered) + sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 200
    assert len(answered) < 200
    [gate] = gates()
    assert gate._waiters == []
    assert gate._single is None
    manager.close()
    wait_until(lambda: not connections(fake_bedrock), "the end of the connections")
    wait_until(lambda: not call_threads(), "the end of the threads")


def unused_connections(manager: LLMManager) -> int:
    """The open connections in the pools of a manager."""
    clients = manager._clients._clients.values()
    pools = [
        pool
        for client in clients
        for pool in client._endpoint.http_session._manager.pools._container.values()
    ]
    return sum(connection.sock is not None for pool in pools for connection in pool.pool.queue)


def test_one_manager_serves_several_event_loops(manager: LLMManager, ask) -> None:
    async def several() -> int:
        responses = await asyncio.gather(*(manager.aconverse(ask) for _ in range(10)))
        return sum(response.success for response in responses)

    assert asyncio.run(several()) == 10
    assert asyncio.run(several()) == 10
    answered: list[int] = []
    threads = [threading.Thread(target=lambda: answered.append(asyncio.run(several()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [10] * 4


def test_a_loop_that_is_closed_during_a_call_does_not_disturb_it(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask
) -> None:
    fake_bedrock.set_latency(0.2)
    loop = asyncio.new_event_loop()
    task = loop.create_task(manager.aconverse(ask))
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    loop.close()
    wait_until(lambda: manager.get_retry_stats()["requests"] == 1)
    task.get_coro().close()
    task._log_destroy_pending = False  # the loop cannot end it any more
    fake_bedrock.set_latency(0)
    assert asyncio.run(manager.aconverse(ask)).success


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_awaits_its_own_calls(manager: LLMManager, ask) -> None:
    assert asyncio.run(manager.aconverse(ask)).success
    assert in_a_fork(lambda: asyncio.run(manager.aconverse(ask)).success)
    assert asyncio.run(manager.aconverse(ask)).success


def test_code_of_the_caller_sees_the_context_of_the_task(manager: LLMManager, ask) -> None:
    user = contextvars.ContextVar("user", default="")
    seen: list[str] = []

    def validate(response: BedrockResponse) -> ValidationResult:
        seen.append(user.get())
        user.set("changed on the thread")
        return ValidationResult(success=True)

    validation = ResponseValidationConfig(response_validation_function=validate)

    async def call(name: str) -> str:
        user.set(name)
        await manager.aconverse(ask, response_validation_config=validation)
        stream = await manager.aconverse_stream(ask, response_validation_config=validation)
        await stream.get_full_content()
        return user.get()

    async def main() -> list[str]:
        return await asyncio.gather(call("ana"), call("bo"))

    assert asyncio.run(main()) == ["ana", "bo"]
    assert sorted(seen) == ["ana", "ana", "bo", "bo"]


def test_a_call_that_waits_for_a_thread_ends_by_its_deadline(
    manager: LLMManager, fake_bedrock: FakeBedrock, ask
) -> None:
    manager._clients.max_connections = 1
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        first = asyncio.create_task(manager.aconverse(ask))
        await until(lambda: fake_bedrock.in_flight)
        with pytest.raises(DeadlineExceededError):
            await manager.aconverse(ask, deadline=0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.aconverse(ask), 0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 1
