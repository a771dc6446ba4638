"""Failed requests of a parallel run are sent again."""

from __future__ import annotations

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    FailureHandlingStrategy,
    ParallelConfigurationError,
    ParallelExecutionError,
    ParallelResponse,
)
from llmmanager.bedrock.exceptions.parallel_exceptions import (
    RegionDistributionError,
    RequestIdCollisionError,
)
from llmmanager.testing import Call, FakeBedrock, Fault, ServiceError
from tests.waiting import SILENCE_SECONDS

IDS = ["r0", "r1", "r2", "r3"]
STOP = {
    "failure_handling_strategy": FailureHandlingStrategy.STOP_ON_FIRST_FAILURE,
    "max_concurrent_requests": 1,
}


def requests(*ids: str) -> list[BedrockConverseRequest]:
    return [BedrockConverseRequest(id_, f"Question {id_}?") for id_ in ids or IDS]


@pytest.fixture
def reject(answer_with):
    """Return a function that makes FakeBedrock reject the requests with these ids, and answer the others."""

    def these(*ids: str) -> None:
        def respond(call: Call) -> None:
            if any(id_ in str(call.body) for id_ in ids):
                raise ServiceError("AccessDeniedException")

        answer_with(respond)

    return these


def asked(fake_bedrock: FakeBedrock) -> list[str]:
    return sorted(next(id_ for id_ in IDS if id_ in str(call.body)) for call in fake_bedrock.calls)


def test_only_failed_requests_are_sent_again_and_the_run_has_all_answers(
    fake_bedrock: FakeBedrock, make_parallel, reject
) -> None:
    manager = make_parallel(regions=("us-east-1",))
    reject("r1", "r3")
    first = manager.converse_parallel(requests())
    assert first.failed_request_ids == first.get_retryable_request_ids() == ["r1", "r3"]
    assert first.successful_request_ids == ["r0", "r2"]
    assert list(first.get_failed_by_exception_type("AccessDeniedException")) == ["r1", "r3"]
    assert list(first.get_requests_by_access_method("on_demand")) == ["r0", "r2"]
    assert first.get_failed_by_exception_type("ValueError") == {}
    reject("r3")
    again = manager.retry_failed_requests(first)
    assert asked(fake_bedrock) == ["r0", "r1", "r1", "r2", "r3", "r3"]
    assert list(again.request_responses) == IDS
    assert again.failed_requests == ["r3"]
    assert [attempt.attempt_number for attempt in again.request_responses["r1"].attempts] == [1, 2]
    stats = again.parallel_execution_stats
    assert (stats.total_requests, stats.successful_requests, stats.failed_requests_count) == (4, 3, 1)
    assert again.get_average_latency() is not None
    assert first.failed_requests == ["r1", "r3"]


def test_the_tokens_of_both_runs_are_counted(fake_bedrock: FakeBedrock, make_parallel) -> None:
    manager = make_parallel(regions=("us-east-1",), retry={"max_retries": 0})
    fake_bedrock.add_fault(Fault(reset=True, billed=True, count=1))
    first = manager.converse_parallel(requests("r0"))
    again = manager.retry_failed_requests(first)
    assert again.success
    assert again.attempts_with_unknown_usage == first.attempts_with_unknown_usage == 1
    assert len(again.request_responses["r0"].attempts) == len(fake_bedrock.calls) == 2


def test_a_filter_selects_what_is_sent_again(fake_bedrock: FakeBedrock, make_parallel, reject) -> None:
    manager = make_parallel(regions=("us-east-1",))
    reject("r1", "r3")
    first = manager.converse_parallel(requests())
    again = manager.retry_failed_requests(first, lambda id_, response: id_ == "r3" and not response.success)
    assert asked(fake_bedrock) == ["r0", "r1", "r2", "r3", "r3"]
    assert again.failed_requests == ["r1", "r3"]
    assert manager.retry_failed_requests(first, lambda id_, response: False) is first


def test_requests_whose_time_was_over_are_listed_and_sent_again(
    fake_bedrock: FakeBedrock, make_parallel
) -> None:
    manager = make_parallel(regions=("us-east-1",), parallel={"request_timeout_seconds": SILENCE_SECONDS})
    fake_bedrock.add_fault(Fault(hang=True))
    first = manager.converse_parallel(requests("r0"))
    assert (first.timed_out_request_ids, first.failed_request_ids) == (["r0"], [])
    assert first.get_retryable_request_ids() == ["r0"]
    fake_bedrock.clear_faults()
    assert manager.retry_failed_requests(first).success


def test_a_stopped_retry_has_the_responses_of_both_runs(
    fake_bedrock: FakeBedrock, make_parallel, reject
) -> None:
    reject("r1", "r2")
    first = make_parallel(regions=("us-east-1",)).converse_parallel(requests())
    with pytest.raises(ParallelExecutionError) as raised:
        make_parallel(regions=("us-east-1",), parallel=STOP).retry_failed_requests(first)
    assert raised.value.response is not None
    assert list(raised.value.response.request_responses) == IDS
    assert len(raised.value.response.request_responses["r1"].attempts) == 2
    assert raised.value.get_failed_requests() == ["r1"]
    assert (raised.value.get_failure_rate(), raised.value.get_success_rate()) == (0.5, 0.5)


@pytest.mark.parametrize("previous", [ParallelResponse(success=True), None])
def test_a_run_without_failures_cannot_be_retried(make_parallel, previous: ParallelResponse | None) -> None:
    with pytest.raises(ParallelConfigurationError, match="with failed requests"):
        make_parallel().retry_failed_requests(previous)


def test_a_filter_that_is_async_is_rejected(make_parallel, reject) -> None:
    async def selected(id_: str, response: BedrockResponse) -> bool:
        return False

    reject("r0")
    first = make_parallel().converse_parallel(requests("r0"))
    with pytest.raises(ConfigurationError, match="filter_func must not be async"):
        make_parallel().retry_failed_requests(first, selected)


def test_a_run_without_its_requests_cannot_be_retried(make_parallel, reject) -> None:
    reject("r0")
    first = make_parallel().converse_parallel(requests("r0"))
    stored = ParallelResponse(first.success, first.request_responses)
    with pytest.raises(ParallelConfigurationError, match=r"original_requests \(missing: 'r0'\)"):
        make_parallel().retry_failed_requests(stored)


def test_requests_with_the_same_id_are_listed_by_the_error(make_parallel) -> None:
    first, second, other = requests("a", "a", "b")
    with pytest.raises(RequestIdCollisionError, match="duplicates: 'a'") as raised:
        make_parallel().converse_parallel([first, second, other])
    assert raised.value.get_duplicated_ids() == {"a": [first, second]}
    assert raised.value.get_provided_value() == ["a"]


def test_more_regions_than_configured_are_an_error_with_both_numbers(make_parallel) -> None:
    with pytest.raises(RegionDistributionError, match="from 1 to 3") as raised:
        make_parallel().converse_parallel(requests(), target_regions_per_request=4)
    assert (raised.value.get_requested_regions(), raised.value.get_available_regions()) == (4, 3)
    assert raised.value.get_invalid_parameter() == "target_regions_per_request"


def test_settings_and_checks_of_the_manager_are_available(make_parallel) -> None:
    manager = make_parallel(parallel=STOP)
    assert manager.get_parallel_config().max_concurrent_requests == 1
    assert manager.validate_configuration() == manager.get_underlying_llm_manager().validate_configuration()
