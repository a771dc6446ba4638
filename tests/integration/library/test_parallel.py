"""Many requests at once."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    DeadlineExceededError,
    FailureHandlingStrategy,
    LoadBalancingStrategy,
    ParallelConfigurationError,
    ParallelExecutionError,
    ParallelLLMManager,
    ResponseValidationConfig,
    RetryExhaustedError,
    ValidationResult,
)
from llmmanager.testing import Call, FakeBedrock, Fault, ServiceError
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS, wait_until

LONG_WAIT_SECONDS = 2 * PATIENCE_SECONDS


def request(number: int, text: str = "", priority: int = 0) -> BedrockConverseRequest:
    return BedrockConverseRequest(
        request_id=f"r{number}",
        messages=[{"role": "user", "content": [{"text": text or f"Question {number}?"}]}],
        priority=priority,
    )


def requests(count: int) -> list[BedrockConverseRequest]:
    return [request(number) for number in range(count)]


def test_every_request_is_answered_in_request_order(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.set_latency((0.0, 0.02))  # so that they end in another order than they start
    result = make_parallel().converse_parallel(requests(30))
    assert result.success
    assert list(result.request_responses) == [f"r{number}" for number in range(30)]
    assert result.get_success_rate() == 1.0
    assert result.failed_requests == []
    assert len(fake_bedrock.calls) == 30
    stats = result.parallel_execution_stats
    assert (stats.total_requests, stats.successful_requests, stats.failed_requests_count) == (30, 30, 0)
    assert stats.min_request_duration_ms <= stats.average_request_duration_ms <= stats.max_request_duration_ms


def test_requests_really_go_to_their_assigned_regions(fake_bedrock: FakeBedrock, make_parallel) -> None:
    result = make_parallel().converse_parallel(requests(30), target_regions_per_request=1)
    regions = [call.region for call in fake_bedrock.calls]
    assert {region: regions.count(region) for region in regions} == {
        "us-east-1": 10,
        "us-west-2": 10,
        "us-east-2": 10,
    }
    assert result.parallel_execution_stats.region_distribution == {
        "us-east-1": 10,
        "us-west-2": 10,
        "us-east-2": 10,
    }


def test_a_request_uses_no_more_regions_than_it_may(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    result = make_parallel().converse_parallel([request(0)], target_regions_per_request=2)
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2"]
    assert result.failed_requests == ["r0"]


def test_least_loaded_keeps_away_from_a_slow_region(
    fake_bedrock: FakeBedrock, make_parallel, answer_with
) -> None:
    def last_in_the_slow_region(call: Call) -> None:
        if call.region == "us-east-1":
            wait_until(lambda: sum(call.status == 200 for call in fake_bedrock.calls) == 39)

    answer_with(last_in_the_slow_region)
    manager = make_parallel(
        parallel={
            "load_balancing_strategy": LoadBalancingStrategy.LEAST_LOADED,
            "max_concurrent_requests": 3,
        }
    )
    assert manager.converse_parallel(requests(40)).failed_requests == []
    assert sum(call.region == "us-east-1" for call in fake_bedrock.calls) == 1


def test_a_failed_request_is_recorded_and_not_raised(fake_bedrock: FakeBedrock, make_parallel) -> None:
    bad = BedrockConverseRequest(request_id="bad", messages=[{"role": "user", "content": []}])
    result = make_parallel().converse_parallel([request(0), bad, request(1)])
    assert result.success
    assert result.failed_requests == ["bad"]
    assert "content" in str(result.request_responses["bad"].get_last_error())
    assert result.get_success_rate() == pytest.approx(2 / 3)
    assert list(result.get_successful_responses()) == ["r0", "r1"]


def test_all_failed_is_no_success(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    result = make_parallel().converse_parallel(requests(3))
    assert not result.success
    assert result.failed_requests == ["r0", "r1", "r2"]
    assert all(response.attempts for response in result.request_responses.values())


def test_stop_on_first_failure_starts_nothing_more(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    manager = make_parallel(
        parallel={
            "failure_handling_strategy": FailureHandlingStrategy.STOP_ON_FIRST_FAILURE,
            "max_concurrent_requests": 1,
        }
    )
    with pytest.raises(ParallelExecutionError) as raised:
        manager.converse_parallel(requests(10), target_regions_per_request=1)
    assert len(fake_bedrock.calls) == 1
    assert raised.value.failed_requests == ["r0"]
    assert raised.value.total_requests == 10
    assert raised.value.response is not None
    assert not raised.value.response.success


def test_a_stop_wakes_what_waits_for_its_next_attempt(
    fake_bedrock: FakeBedrock, make_parallel, monkeypatch, answer_with
) -> None:
    waiting = threading.Event()
    wait = threading.Event.wait

    def noticed(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is not None and timeout > PATIENCE_SECONDS:
            waiting.set()
        return wait(event, timeout)

    def reject(call: Call) -> str:
        assert wait(waiting, PATIENCE_SECONDS)
        raise ServiceError("AccessDeniedException")

    monkeypatch.setattr(threading.Event, "wait", noticed)
    answer_with(reject)
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", retry_after=LONG_WAIT_SECONDS, count=1))
    manager = make_parallel(
        regions=("us-east-1",),
        retry={"max_retry_delay": LONG_WAIT_SECONDS},
        parallel={
            "failure_handling_strategy": FailureHandlingStrategy.STOP_ON_FIRST_FAILURE,
            "max_concurrent_requests": 2,
            "request_timeout_seconds": 2 * LONG_WAIT_SECONDS,
        },
    )
    with pytest.raises(ParallelExecutionError) as raised:
        manager.converse_parallel(requests(2))
    ends = [str(answer.get_last_error()) for answer in raised.value.response.request_responses.values()]
    assert len(fake_bedrock.calls) == 2
    assert ["ServiceUnavailableException" in end for end in ends].count(True) == 1


def test_stop_on_threshold_keeps_going_below_it(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", count=2))
    config = {
        "failure_handling_strategy": FailureHandlingStrategy.STOP_ON_THRESHOLD,
        "failure_threshold": 0.5,
        "max_concurrent_requests": 1,
    }
    result = make_parallel(parallel=config).converse_parallel(requests(4), target_regions_per_request=1)
    assert not result.success
    assert result.failed_requests == ["r0", "r1"]
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    with pytest.raises(ParallelExecutionError):
        make_parallel(parallel=config).converse_parallel(requests(4), target_regions_per_request=1)


def test_priorities_order_the_queue_when_switched_on(fake_bedrock: FakeBedrock, make_parallel) -> None:
    queue = [request(0, "low", 5), request(1, "high", 0), request(2, "middle", 2)]
    config = {"max_concurrent_requests": 1, "enable_request_prioritization": True}
    result = make_parallel(parallel=config).converse_parallel(queue)
    asked = [call.body["messages"][0]["content"][0]["text"] for call in fake_bedrock.calls]
    assert asked == ["high", "middle", "low"]
    assert list(result.request_responses) == ["r0", "r1", "r2"]


def test_a_request_ends_by_its_timeout(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    manager = make_parallel(parallel={"request_timeout_seconds": SILENCE_SECONDS})
    result = manager.converse_parallel(requests(5))
    assert len(result.failed_requests) == 5
    ends = {type(answer.get_last_error()) for answer in result.request_responses.values()}
    assert ends == {DeadlineExceededError}


def test_requests_are_unchanged_and_can_be_run_again(fake_bedrock: FakeBedrock, make_parallel) -> None:
    queue = requests(5)
    before = copy.deepcopy(queue)
    manager = make_parallel()
    manager.converse_parallel(queue)
    assert queue == before
    assert manager.converse_parallel(queue).success


def test_as_many_run_at_once_as_allowed(fake_bedrock: FakeBedrock, make_parallel, answer_together) -> None:
    answer_together(4)
    result = make_parallel(parallel={"max_concurrent_requests": 4}).converse_parallel(requests(20))
    assert result.failed_requests == []
    assert fake_bedrock.peak_in_flight == 4
    assert result.parallel_execution_stats.concurrent_executions == 4


def test_answers_are_validated_like_in_converse(fake_bedrock: FakeBedrock, make_parallel) -> None:
    def never(response: BedrockResponse) -> ValidationResult:
        return ValidationResult(success=False, error_message="never")

    result = make_parallel().converse_parallel(
        requests(2), response_validation_config=ResponseValidationConfig(never, 1)
    )
    assert result.failed_requests == ["r0", "r1"]
    assert all(response.had_validation_failures() for response in result.request_responses.values())


@pytest.mark.parametrize("count", [0, -1, 4, 1.5, True, "2"])
def test_impossible_region_counts_are_rejected(make_parallel, count: object) -> None:
    with pytest.raises(ParallelConfigurationError, match="target_regions_per_request"):
        make_parallel().converse_parallel([request(0)], target_regions_per_request=count)


def test_the_default_region_count_fits_a_single_region(make_parallel) -> None:
    manager = make_parallel(regions=("us-east-1",))
    assert manager.converse_parallel([request(0)]).success
    with pytest.raises(ParallelConfigurationError):
        manager.converse_parallel([request(0)], target_regions_per_request=2)


def test_an_empty_list_duplicate_ids_and_other_things_are_rejected(make_parallel) -> None:
    manager = make_parallel()
    with pytest.raises(ParallelConfigurationError, match="at least one"):
        manager.converse_parallel([])
    with pytest.raises(ParallelConfigurationError, match="'r0'"):
        manager.converse_parallel([request(0), request(0)])
    with pytest.raises(ParallelConfigurationError, match="dict"):
        manager.converse_parallel([{"messages": []}])


def test_ids_are_generated_where_none_is_given(make_parallel) -> None:
    queue = [BedrockConverseRequest(messages=request(0).messages) for _ in range(3)]
    result = make_parallel().converse_parallel(queue)
    assert list(result.request_responses) == [item.request_id for item in queue]
    assert len(set(result.request_responses)) == 3


def test_a_stream_of_requests_is_drawn_as_answers_are_taken(fake_bedrock: FakeBedrock, make_parallel) -> None:
    drawn = []

    def source() -> Iterator[BedrockConverseRequest]:
        for number in range(40):
            drawn.append(number)
            yield request(number)

    manager = make_parallel(parallel={"max_concurrent_requests": 4})
    answers = manager.iter_responses(source())
    taken = 0
    for item, response in answers:
        taken += 1
        assert response.success
        assert item.request_id.startswith("r")
        assert len(drawn) <= taken + 4
    assert taken == 40


def test_a_stream_stops_drawing_at_the_deadline(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.set_latency(0.1)
    drawn = []

    def source() -> Iterator[BedrockConverseRequest]:
        for number in range(1000):
            drawn.append(number)
            yield request(number)

    manager = make_parallel(parallel={"max_concurrent_requests": 2})
    answers = list(manager.iter_responses(source(), deadline=0.35))
    assert len(answers) == len(drawn) < 100


@pytest.mark.parametrize("source", [None, "Hello", b"Hello", {"a": request(0)}])
def test_what_is_no_source_of_requests_or_regions_is_rejected_by_name(make_parallel, source: Any) -> None:
    manager = make_parallel()
    with pytest.raises(ParallelConfigurationError, match="requests must be an iterable"):
        manager.iter_responses(source)
    with pytest.raises(ConfigurationError, match="regions must be a Sequence"):
        manager.get_underlying_llm_manager().converse_with_request(request(0), regions=3)


def test_what_is_no_parallel_configuration_is_rejected_by_name() -> None:
    with pytest.raises(ParallelConfigurationError, match=r"parallel_config must be .* \(got dict\)"):
        ParallelLLMManager(["Nova Lite"], ["us-east-1"], parallel_config={})


def test_a_stream_that_is_left_early_tries_nothing_again(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(
        Fault(error="ServiceUnavailableException", retry_after=LONG_WAIT_SECONDS, region="us-west-2")
    )
    manager = make_parallel(
        regions=("us-east-1", "us-west-2"),
        retry={"max_retry_delay": LONG_WAIT_SECONDS},
        parallel={"max_concurrent_requests": 2, "request_timeout_seconds": 2 * LONG_WAIT_SECONDS},
    )
    answers = manager.iter_responses(requests(2), target_regions_per_request=1)
    first, _ = next(answers)
    assert first.request_id == "r0"
    answers.close()
    assert sum(call.region == "us-west-2" for call in fake_bedrock.calls) <= 1


def test_one_request_alone_raises_like_converse(fake_bedrock: FakeBedrock, make_parallel) -> None:
    manager = make_parallel()
    assert manager.converse_with_request(request(0)).success
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    with pytest.raises(RetryExhaustedError):
        manager.converse_with_request(request(1))
    assert manager.get_underlying_llm_manager().get_retry_stats()["requests"] == 2


def test_many_threads_share_one_manager_and_the_counters_stay_exact(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", share=0.3))
    manager = make_manager(retry={"max_retries": 20})
    failures = []

    def call() -> None:
        for _ in range(25):
            if not manager.converse(ask).success:
                failures.append(1)

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = manager.get_retry_stats()
    throttled = sum(call.error_code == "ThrottlingException" for call in fake_bedrock.calls)
    assert failures == []
    assert stats["requests"] == 300
    assert stats["attempts"] == len(fake_bedrock.calls)
    assert sum(stats["throttles"].values()) == stats["retries"] == throttled


@pytest.mark.parametrize("target_regions", [None, 1, 2, 3])
def test_a_stream_of_requests_is_spread_over_the_regions_like_a_list(
    fake_bedrock: FakeBedrock, make_parallel, target_regions: int | None
) -> None:
    spread = {"us-east-1": 20, "us-west-2": 20, "us-east-2": 20}
    answers = make_parallel().iter_responses(requests(60), target_regions_per_request=target_regions)
    assert Counter(response.region_used for _, response in answers) == spread
    assert Counter(call.region for call in fake_bedrock.calls) == spread
    listed = make_parallel().converse_parallel(requests(60))
    assert listed.parallel_execution_stats.region_distribution == spread


def test_a_stream_of_requests_follows_the_load_balancing_strategy(
    fake_bedrock: FakeBedrock, make_parallel
) -> None:
    one_at_a_time = {
        "load_balancing_strategy": LoadBalancingStrategy.LEAST_LOADED,
        "max_concurrent_requests": 1,
    }
    answers = make_parallel(parallel=one_at_a_time).iter_responses(requests(9))
    assert {response.region_used for _, response in answers} == {"us-east-1"}


def test_a_request_of_a_stream_may_use_every_region(fake_bedrock: FakeBedrock, make_parallel) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    ((_, response),) = make_parallel().iter_responses([request(0)])
    assert not response.success
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2", "us-east-2"]


def test_a_stream_of_requests_can_keep_to_the_configured_order_of_regions(
    fake_bedrock: FakeBedrock, make_parallel
) -> None:
    answers = make_parallel().iter_responses(requests(9), keep_region_order=True)
    assert [response.region_used for _, response in answers] == ["us-east-1"] * 9
    fake_bedrock.reset()
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    failing = make_parallel().iter_responses(
        [request(0)], keep_region_order=True, target_regions_per_request=2
    )
    assert [response.success for _, response in failing] == [False]
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2"]
