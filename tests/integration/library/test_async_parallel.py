"""aconverse_parallel and aiter_responses."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    FailureHandlingStrategy,
    ParallelConfigurationError,
    ParallelExecutionError,
    ParallelResponse,
    ResponseValidationConfig,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until


def request(number: int) -> BedrockConverseRequest:
    return BedrockConverseRequest(messages=f"Question {number}", request_id=f"r{number}")


REQUESTS = [request(number) for number in range(40)]


@pytest.fixture(autouse=True)
def echo(answer_with) -> None:
    answer_with(lambda call: call.body["messages"][0]["content"][0]["text"])


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


def test_all_requests_are_answered_as_in_converse_parallel(make_parallel, fake_bedrock: FakeBedrock) -> None:
    manager = make_parallel(parallel={"max_concurrent_requests": 8})
    result = asyncio.run(manager.aconverse_parallel(REQUESTS, 2))
    assert result.success
    assert list(result.request_responses) == [request.request_id for request in REQUESTS]
    assert result.request_responses["r7"].get_content() == "Question 7"
    assert result.parallel_execution_stats.concurrent_executions <= 8
    assert fake_bedrock.peak_in_flight <= 8


def test_a_stop_strategy_raises_with_the_responses(make_parallel, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", count=1))
    stop_first = FailureHandlingStrategy.STOP_ON_FIRST_FAILURE
    manager = make_parallel(parallel={"max_concurrent_requests": 1, "failure_handling_strategy": stop_first})
    with pytest.raises(
        ParallelExecutionError, match="1 of 40 requests failed, 39 were not started"
    ) as raised:
        asyncio.run(manager.aconverse_parallel(REQUESTS))
    assert raised.value.response is not None
    assert list(raised.value.response.request_responses) == ["r0"]


def test_failed_requests_are_sent_again(make_parallel, fake_bedrock: FakeBedrock) -> None:
    manager = make_parallel()
    fake_bedrock.add_fault(Fault(error="ValidationException", count=1))
    first = manager.converse_parallel(REQUESTS)
    assert len(first.failed_requests) == 1
    again = asyncio.run(manager.aretry_failed_requests(first))
    assert not again.failed_requests
    assert list(again.request_responses) == [request.request_id for request in REQUESTS]
    assert len(again.request_responses[first.failed_requests[0]].attempts) == 2
    assert asyncio.run(manager.aretry_failed_requests(first, lambda *_: False)) is first
    with pytest.raises(ParallelConfigurationError, match="with failed requests"):
        asyncio.run(manager.aretry_failed_requests(again))


def test_a_stopped_retry_has_the_responses_of_both_runs(make_parallel, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", count=3))
    first = make_parallel(parallel={"max_concurrent_requests": 1}).converse_parallel(REQUESTS)
    stop_first = FailureHandlingStrategy.STOP_ON_FIRST_FAILURE
    manager = make_parallel(parallel={"max_concurrent_requests": 1, "failure_handling_strategy": stop_first})
    fake_bedrock.add_fault(Fault(error="ValidationException"))
    with pytest.raises(ParallelExecutionError) as raised:
        asyncio.run(manager.aretry_failed_requests(first))
    assert raised.value.response is not None
    assert len(raised.value.response.request_responses) == 40
    assert len(raised.value.response.request_responses["r0"].attempts) == 2


def test_arguments_are_checked_before_any_call(make_parallel, fake_bedrock: FakeBedrock) -> None:
    manager = make_parallel()
    with pytest.raises(ParallelConfigurationError, match="unique"):
        asyncio.run(manager.aconverse_parallel([request(1), request(1)]))
    with pytest.raises(ParallelConfigurationError, match="iterable"):
        manager.aiter_responses(None)
    assert not fake_bedrock.calls


def test_requests_are_read_when_a_response_was_yielded(make_parallel) -> None:
    manager = make_parallel(parallel={"max_concurrent_requests": 3})
    read: list[str] = []
    threads: set[int] = set()

    def source() -> Iterator[BedrockConverseRequest]:
        for each in REQUESTS:
            threads.add(threading.get_ident())
            read.append(str(each.request_id))
            yield each

    async def main() -> None:
        taken = 0
        async for sent, response in manager.aiter_responses(source()):
            taken += 1
            assert len(read) <= taken + 3
            assert response.get_content() == f"Question {str(sent.request_id)[1:]}"
        assert taken == 40

    asyncio.run(main())
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("method", ["aconverse_parallel", "aiter_responses", "aretry_failed_requests"])
def test_cancelling_the_task_closes_all_connections(
    make_parallel, fake_bedrock: FakeBedrock, method: str
) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    manager = make_parallel(parallel={"max_concurrent_requests": 10})
    failed = ParallelResponse(
        success=False,
        request_responses={str(each.request_id): BedrockResponse(success=False) for each in REQUESTS},
        original_requests={str(each.request_id): each for each in REQUESTS},
    )

    async def run() -> None:
        if method == "aconverse_parallel":
            await manager.aconverse_parallel(REQUESTS)
        if method == "aretry_failed_requests":
            await manager.aretry_failed_requests(failed)
        async for _ in manager.aiter_responses(REQUESTS):
            pass

    async def main() -> None:
        task = asyncio.create_task(run())
        await until(lambda: fake_bedrock.in_flight == 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert manager.get_underlying_llm_manager().get_retry_stats()["attempts"] == 10
        await until(lambda: not fake_bedrock._server._connections)

    asyncio.run(main())
    assert len(fake_bedrock.calls) == 10


def test_leaving_the_iteration_ends_the_running_requests(make_parallel, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(hang=True, count=3))
    stop = threading.Event()
    manager = make_parallel(parallel={"max_concurrent_requests": 4})

    async def main() -> None:
        async for _, response in manager.aiter_responses(REQUESTS, stop=stop):
            assert response.success
            await until(lambda: fake_bedrock.in_flight == 3)
            break
        await until(lambda: not fake_bedrock.in_flight)

    asyncio.run(main())
    assert stop.is_set()
    assert len(fake_bedrock.calls) == 4


def test_code_of_the_caller_sees_the_context_of_the_task(make_parallel) -> None:
    user = contextvars.ContextVar("user", default="")
    seen: list[str] = []

    def validate(response: BedrockResponse) -> ValidationResult:
        seen.append(user.get())
        return ValidationResult(success=True)

    async def main() -> None:
        user.set("ana")
        validation = ResponseValidationConfig(response_validation_function=validate)
        await manager.aconverse_parallel(REQUESTS, response_validation_config=validation)

    manager = make_parallel()
    asyncio.run(main())
    assert seen == ["ana"] * 40
