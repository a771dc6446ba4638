"""Runs whose requests share a prompt prefix: one of them writes it to the cache, and the others read it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    FailureHandlingStrategy,
    ParallelExecutionError,
    ParallelLLMManager,
    RequestNotStartedError,
)
from llmmanager.bedrock.parallel import start_order
from llmmanager.testing import Call, FakeBedrock, Fault
from tests.integration.library.conftest import MakeParallel
from tests.waiting import PATIENCE_SECONDS, wait_until

RULES = "The rules are as follows. " * 400  # 2,600 tokens
POINT = {"cachePoint": {"type": "default"}}
Run = Callable[[ParallelLLMManager, Sequence[BedrockConverseRequest]], list[BedrockResponse]]


def request(number: int, rules: str = RULES, **members: Any) -> BedrockConverseRequest:
    members = {"system": [{"text": rules}], "prompt_cache": "auto", **members}
    return BedrockConverseRequest(f"r{number}", f"Question {number}?", **members)


def requests(count: int, **members: Any) -> list[BedrockConverseRequest]:
    return [request(number, **members) for number in range(count)]


def in_parallel(manager: ParallelLLMManager, sent: Sequence[BedrockConverseRequest]) -> list[BedrockResponse]:
    return list(manager.converse_parallel(sent).request_responses.values())


def in_an_event_loop(
    manager: ParallelLLMManager, sent: Sequence[BedrockConverseRequest]
) -> list[BedrockResponse]:
    return list(asyncio.run(manager.aconverse_parallel(sent)).request_responses.values())


def writes(responses: Sequence[BedrockResponse]) -> int:
    """Return how many requests wrote the prefix. Each one wrote or read it."""
    assert all(response.get_cache_write_tokens() + response.get_cache_read_tokens() for response in responses)
    return sum(response.get_cache_write_tokens() > 0 for response in responses)


def is_first(call: Call) -> bool:
    return call.prompt == "Question 0?"


@pytest.mark.parametrize("run", [in_parallel, in_an_event_loop])
@pytest.mark.parametrize(
    "members", [{}, {"system": [{"text": RULES}, POINT], "prompt_cache": None}], ids=["auto", "own point"]
)
def test_one_request_writes_the_cache_and_the_others_read_it_together(
    make_parallel: MakeParallel, answer_with, run: Run, members: dict[str, Any]
) -> None:
    together = threading.Barrier(7, timeout=PATIENCE_SECONDS)

    def others_together(call: Call) -> None:
        if not is_first(call):
            together.wait()

    answer_with(others_together)
    manager = make_parallel(parallel={"max_concurrent_requests": 8})
    assert writes(run(manager, requests(8, **members))) == 1


def test_without_warm_up_all_write_the_cache(make_parallel: MakeParallel, answer_together) -> None:
    answer_together(8)
    parallel = {"max_concurrent_requests": 8, "cache_warm_up": False}
    manager = make_parallel(regions=("us-east-1",), parallel=parallel)
    assert writes(in_parallel(manager, requests(8))) == 8


@pytest.mark.parametrize("run", [in_parallel, in_an_event_loop])
def test_other_requests_use_the_free_connections_meanwhile(
    make_parallel: MakeParallel, fake_bedrock: FakeBedrock, answer_with, run: Run
) -> None:
    def last(call: Call) -> None:
        if is_first(call):
            wait_until(lambda: sum(call.status == 200 for call in fake_bedrock.calls) == 6)

    answer_with(last)
    others = [
        *(request(number, rules="Other " + RULES) for number in (2, 3)),
        *(request(number, prompt_cache=None) for number in (4, 5, 6, 7)),
    ]
    manager = make_parallel(parallel={"max_concurrent_requests": 2})
    run(manager, [request(0), request(1), *others])
    assert fake_bedrock.calls[-1].prompt == "Question 1?"


@pytest.mark.parametrize("run", [in_parallel, in_an_event_loop])
def test_a_slow_first_request_delays_the_others_for_a_limited_time(
    make_parallel: MakeParallel,
    fake_bedrock: FakeBedrock,
    answer_with,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    def last(call: Call) -> None:
        if is_first(call):
            wait_until(lambda: sum(call.status == 200 for call in fake_bedrock.calls) == 3)

    answer_with(last)
    monkeypatch.setattr(start_order, "LONGEST_WAIT_SECONDS", 0.05)
    assert all(response.success for response in run(make_parallel(), requests(4)))


def test_the_next_request_writes_the_cache_if_the_first_one_fails(
    make_parallel: MakeParallel, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", message="Malformed input request", count=1))
    failed, *answered = in_parallel(make_parallel(), requests(6))
    assert not failed.success
    assert writes(answered) == 1


def test_requests_of_a_second_run_start_at_once(make_parallel: MakeParallel, answer_together) -> None:
    manager = make_parallel(parallel={"max_concurrent_requests": 4})
    in_parallel(manager, requests(1))
    answer_together(4)
    assert writes(in_parallel(manager, requests(4))) == 0


def test_the_others_prefer_the_region_that_has_the_prefix(
    make_parallel: MakeParallel, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", count=1))
    responses = in_parallel(make_parallel(), requests(9))
    assert Counter(response.region_used for response in responses) == {"us-west-2": 9}
    assert writes(responses) == 1


def test_an_invalid_request_fails_as_without_a_cache(make_parallel: MakeParallel) -> None:
    invalid = request(0, inference_config={"maxTokens": 0})
    failed, *answered = in_parallel(make_parallel(), [invalid, request(1), request(2)])
    assert "maxTokens" in str(failed.error)
    assert writes(answered) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_requests_that_wait_when_the_run_ends_are_returned_without_a_call(
    make_parallel: MakeParallel, fake_bedrock: FakeBedrock, answer_with, is_async: bool
) -> None:
    stop = threading.Event()
    answer_with(lambda _: stop.set())
    manager = make_parallel(parallel={"max_concurrent_requests": 3})
    if is_async:

        async def collected() -> list[tuple[BedrockConverseRequest, BedrockResponse]]:
            return [pair async for pair in manager.aiter_responses(requests(9), stop=stop)]

        pairs = asyncio.run(collected())
    else:
        pairs = list(manager.iter_responses(requests(9), stop=stop))
    (_, first), *others = pairs
    assert first.success
    assert [sent.request_id for sent, _ in others] == ["r1", "r2", "r3"]
    assert all(isinstance(response.error, RequestNotStartedError) for _, response in others)
    assert len(fake_bedrock.calls) == 1


def test_a_stop_strategy_does_not_start_requests_that_wait(
    make_parallel: MakeParallel, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    stop_first = FailureHandlingStrategy.STOP_ON_FIRST_FAILURE
    manager = make_parallel(parallel={"failure_handling_strategy": stop_first})
    with pytest.raises(ParallelExecutionError, match="1 of 5 requests failed, 4 were not started"):
        manager.converse_parallel(requests(5))
