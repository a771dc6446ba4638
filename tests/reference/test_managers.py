"""What the methods and the constructors' parameters of the two managers do."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationType,
    BedrockConverseRequest,
    FailureHandlingStrategy,
    LLMManager,
    LoadBalancingStrategy,
    ParallelExecutionError,
    ParallelLLMManager,
    ParallelProcessingConfig,
    ResponseValidationConfig,
    RetryConfig,
    RetryExhaustedError,
    RetryStrategy,
    StreamingResponse,
    UnifiedModelManager,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel, Fault

NOVA_LITE = "amazon.nova-lite-v1:0"
EVERYTHING: dict[str, Any] = {
    "system": [{"text": "Be brief"}],
    "inference_config": {"maxTokens": 20},
    "additional_model_request_fields": {"inferenceConfig": {"topK": 5}},
    "additional_model_response_field_paths": ["/stop_sequence"],
    "guardrail_config": {"guardrailIdentifier": "gr1", "guardrailVersion": "1"},
    "tool_config": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]},
    "request_metadata": {"team": "reference"},
    "prompt_variables": {"name": {"text": "value"}},
}
ON_THE_WIRE = {
    "system": "system",
    "inference_config": "inferenceConfig",
    "additional_model_request_fields": "additionalModelRequestFields",
    "additional_model_response_field_paths": "additionalModelResponseFieldPaths",
    "guardrail_config": "guardrailConfig",
    "tool_config": "toolConfig",
    "request_metadata": "requestMetadata",
    "prompt_variables": "promptVariables",
}


def questions(count: int) -> list[BedrockConverseRequest]:
    return [
        BedrockConverseRequest(
            request_id=f"q{n}", messages=[{"role": "user", "content": [{"text": f"{n}?"}]}]
        )
        for n in range(count)
    ]


# ---- LLMManager


@pytest.mark.parametrize("method", ["converse", "converse_stream"])
def test_every_parameter_of_a_request_reaches_bedrock(
    fake_bedrock: FakeBedrock, manager, messages, method: str
) -> None:
    response = getattr(manager, method)(messages, **EVERYTHING)
    list(response) if isinstance(response, StreamingResponse) else None
    assert fake_bedrock.calls[0].operation == {"converse": "Converse"}.get(method, "ConverseStream")
    assert fake_bedrock.calls[0].body == {
        "messages": messages,
        **{ON_THE_WIRE[name]: value for name, value in EVERYTHING.items()},
    }


def test_the_parameters_can_be_given_by_position(fake_bedrock: FakeBedrock, manager, messages) -> None:
    manager.converse(messages, *EVERYTHING.values(), None)
    by_position = fake_bedrock.calls[-1].body
    manager.converse(messages, **EVERYTHING)
    assert fake_bedrock.calls[-1].body == by_position


def test_a_stream_gives_text_as_it_comes_and_then_tells_what_a_response_tells(manager, messages) -> None:
    stream = manager.converse_stream(messages=messages)
    assert isinstance(stream, StreamingResponse)
    text = "".join(stream)
    assert text == stream.get_content() == manager.converse(messages).get_content()
    assert (stream.success, stream.model_used, stream.region_used) == (True, NOVA_LITE, "us-east-1")
    assert stream.get_usage()["totalTokens"] > 0
    assert stream.get_stop_reason() == "end_turn"
    assert len(stream.attempts) == 1


def test_a_stream_is_validated_once_it_is_complete(fake_bedrock: FakeBedrock, manager, messages) -> None:
    rejection = ValidationResult(success=False, error_message="no")
    stream = manager.converse_stream(
        messages, response_validation_config=ResponseValidationConfig(lambda _: rejection)
    )
    assert list(stream)
    assert not stream.success
    assert [error["error_message"] for error in stream.get_validation_errors()] == ["no"]
    assert len(fake_bedrock.calls) == 1


def test_the_models_and_regions_are_returned_as_configured(manager) -> None:
    assert manager.get_available_models() == ["Nova Lite", "Nova Pro"]
    assert manager.get_available_regions() == ["us-east-1", "us-west-2"]


def test_model_access_is_returned_with_its_documented_keys(manager) -> None:
    info = manager.get_model_access_info("Nova Lite", "us-east-1")
    assert info is not None
    assert (info["model_id"], info["access_method"], info["region"]) == (NOVA_LITE, "on_demand", "us-east-1")
    assert manager.get_model_access_info("Nova Lite", "mars-north-1") is None
    assert manager.get_model_access_info("No Such Model", "us-east-1") is None


def test_a_configuration_is_validated_without_a_call(fake_bedrock: FakeBedrock, manager) -> None:
    result = manager.validate_configuration()
    assert (result["valid"], result["errors"], result["model_region_combinations"]) == (True, [], 4)
    assert fake_bedrock.calls == ()


def test_refreshed_model_data_come_from_aws(bedrock_of, messages) -> None:
    moved = FakeModel(model_id=NOVA_LITE, name="Nova Lite", profiles={"us": ["us-east-1", "us-west-2"]})
    bedrock = bedrock_of(catalog=FakeCatalog(moved))
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    assert manager.refresh_model_data() is None
    assert {call.operation for call in bedrock.calls} == {
        "ListFoundationModels",
        "ListInferenceProfiles",
        "ListServiceQuotas",
    }
    info = manager.get_model_access_info("Nova Lite", "us-east-1")
    response = manager.converse(messages)
    manager.close()
    assert info["access_method"] == response.access_method == "geographic_profile"
    assert len(response.attempts) == 1


def test_the_retry_statistics_hold_configuration_and_counters(
    fake_bedrock: FakeBedrock, manager, messages
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", count=1))
    manager.converse(messages)
    stats = manager.get_retry_stats()
    assert (stats["max_retries"], stats["retry_strategy"]) == (3, "region_first")
    counters = ("requests", "attempts", "retries", "failovers", "feature_fallbacks")
    assert [stats[name] for name in counters] == [1, 2, 1, 1, 0]
    assert stats["throttles"] == {f"{NOVA_LITE}@us-east-1": 1}


def test_a_manager_can_be_made_by_position(fake_bedrock: FakeBedrock, messages) -> None:
    shared = UnifiedModelManager(regions=["us-east-1"])
    manager = LLMManager(
        ["Nova Lite"],
        ["us-east-1"],
        AuthConfig(AuthenticationType.CREDENTIALS, None, "AKIAPOSITION", "secret"),
        RetryConfig(0, 0.0, 1.0, 1.0, RetryStrategy.MODEL_FIRST, False, ()),
        shared,
        {"maxTokens": 7},
        60,
    )
    response = manager.converse(messages)
    manager.close()
    assert response.get_stop_reason() == "max_tokens"
    assert fake_bedrock.calls[0].access_key_id == "AKIAPOSITION"
    assert fake_bedrock.calls[0].body["inferenceConfig"] == {"maxTokens": 7}


def test_the_timeout_bounds_the_silence_of_a_target(fake_bedrock: FakeBedrock, messages, clock) -> None:
    fake_bedrock.add_fault(Fault(hang=True, region="us-east-1"))
    clock.silent_regions = {"us-east-1"}
    manager = LLMManager(["Nova Lite"], ["us-east-1", "us-west-2"], timeout=7)
    response = manager.converse(messages)
    manager.close()
    assert clock.read_timeouts == [7, 7]
    assert [attempt.region for attempt in response.attempts] == ["us-east-1", "us-west-2"]
    assert type(response.attempts[0].error).__name__ == "ReadTimeoutError"


# ---- RetryConfig, field by field


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_max_retries_bounds_the_attempts(fake_bedrock: FakeBedrock, messages, retries: int) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    config = RetryConfig(max_retries=retries, retry_delay=0.001)
    manager = LLMManager(["Nova Lite"], ["us-east-1", "us-west-2"], retry_config=config)
    with pytest.raises(RetryExhaustedError) as raised:
        manager.converse(messages)
    manager.close()
    assert len(raised.value.attempts) == len(fake_bedrock.calls) == retries + 1


def test_region_first_is_the_default_order(fake_bedrock: FakeBedrock, manager, messages) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=3))
    attempts = manager.converse(messages).attempts
    assert [(attempt.model_id, attempt.region) for attempt in attempts] == [
        (NOVA_LITE, "us-east-1"),
        (NOVA_LITE, "us-west-2"),
        ("amazon.nova-pro-v1:0", "us-east-1"),
        ("amazon.nova-pro-v1:0", "us-west-2"),
    ]


def test_without_feature_fallback_a_rejected_feature_fails_the_call(
    fake_bedrock: FakeBedrock, messages
) -> None:
    manager = LLMManager(
        ["Claude Haiku 4.5"], ["us-east-1"], retry_config=RetryConfig(enable_feature_fallback=False)
    )
    with pytest.raises(RetryExhaustedError):
        manager.converse(messages, inference_config={"temperature": 0.7, "topP": 0.9})
    manager.close()


@pytest.mark.parametrize("extra", ["ValidationException", "ReadTimeoutError", TimeoutError])
def test_further_error_types_can_be_named(fake_bedrock: FakeBedrock, messages, extra: Any) -> None:
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message="Malformed input request: #/x", count=2)
    )
    manager = LLMManager(
        ["Nova Lite"],
        ["us-east-1"],
        retry_config=RetryConfig(retry_delay=0.001, retryable_errors=(extra,)),
    )
    try:
        if extra == "ValidationException":
            assert len(manager.converse(messages).attempts) == 3
        else:
            with pytest.raises(Exception, match="Malformed"):
                manager.converse(messages)
    finally:
        manager.close()


# ---- ParallelLLMManager


def test_a_single_request_is_answered_by_the_underlying_manager(parallel_manager) -> None:
    response = parallel_manager.converse_with_request(questions(1)[0])
    assert response.success
    underlying = parallel_manager.get_underlying_llm_manager()
    assert isinstance(underlying, LLMManager)
    assert underlying.get_retry_stats()["requests"] == 1
    assert underlying.get_available_regions() == ["us-east-1", "us-west-2", "us-east-2"]


def test_the_parallel_constructor_hands_on_what_it_is_given(fake_bedrock: FakeBedrock, clock) -> None:
    manager = ParallelLLMManager(
        ["Nova Lite"],
        ["us-east-1"],
        AuthConfig(AuthenticationType.CREDENTIALS, access_key_id="AKIAPARALLEL", secret_access_key="secret"),
        RetryConfig(max_retries=1, retry_delay=0.001),
        ParallelProcessingConfig(max_concurrent_requests=1),
        {"maxTokens": 7},
        9,
    )
    clock.silent_calls = {0}
    fake_bedrock.add_fault(Fault(hang=True, count=1))
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=1))
    first, second = manager.converse_parallel(questions(2)).request_responses.values()
    manager.close()
    assert type(first.get_last_error()).__name__ == "ReadTimeoutError"
    assert set(clock.read_timeouts) == {9}
    assert [attempt.success for attempt in second.attempts] == [False, True]
    assert {call.access_key_id for call in fake_bedrock.calls} == {"AKIAPARALLEL"}
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {"maxTokens": 7}
    assert manager.get_underlying_llm_manager().get_retry_stats()["max_retries"] == 1


def test_requests_in_parallel_can_be_given_by_position(fake_bedrock: FakeBedrock, parallel_manager) -> None:
    rejection = ValidationResult(success=False, error_message="no")
    config = ResponseValidationConfig(lambda _: rejection, 0)
    result = parallel_manager.converse_parallel(questions(2), 1, config)
    assert result.failed_requests == ["q0", "q1"]
    assert {call.region for call in fake_bedrock.calls} == {"us-east-1", "us-west-2"}


def test_a_request_has_two_target_regions_by_default(fake_bedrock: FakeBedrock, parallel_manager) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    parallel_manager.converse_parallel(questions(1))
    assert len({call.region for call in fake_bedrock.calls}) == 2


def parallel(config: ParallelProcessingConfig) -> ParallelLLMManager:
    return ParallelLLMManager(["Nova Lite"], ["us-east-1", "us-west-2"], parallel_config=config)


@pytest.mark.parametrize("strategy", LoadBalancingStrategy)
def test_every_load_balancing_strategy_spreads_requests(
    fake_bedrock: FakeBedrock, answer_together, strategy: LoadBalancingStrategy
) -> None:
    answer_together(2)
    manager = parallel(ParallelProcessingConfig(load_balancing_strategy=strategy))
    result = manager.converse_parallel(questions(30))
    manager.close()
    assert result.success
    assert set(result.parallel_execution_stats.region_distribution) == {"us-east-1", "us-west-2"}


def one_at_a_time(strategy: FailureHandlingStrategy) -> ParallelProcessingConfig:
    return ParallelProcessingConfig(
        max_concurrent_requests=1, failure_handling_strategy=strategy, failure_threshold=0.5
    )


def test_continue_on_failure_answers_whatever_it_can(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", count=7))
    manager = parallel(one_at_a_time(FailureHandlingStrategy.CONTINUE_ON_FAILURE))
    result = manager.converse_parallel(questions(8), target_regions_per_request=1)
    manager.close()
    assert result.failed_requests == [f"q{n}" for n in range(7)]
    assert (result.success, result.get_success_rate()) == (True, 0.125)


@pytest.mark.parametrize(
    ("strategy", "started"),
    [(FailureHandlingStrategy.STOP_ON_FIRST_FAILURE, 1), (FailureHandlingStrategy.STOP_ON_THRESHOLD, 5)],
)
def test_the_stop_strategies_start_nothing_more_and_hand_over_what_there_is(
    fake_bedrock: FakeBedrock, strategy: FailureHandlingStrategy, started: int
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    manager = parallel(one_at_a_time(strategy))
    with pytest.raises(ParallelExecutionError) as raised:
        manager.converse_parallel(questions(8), target_regions_per_request=1)
    manager.close()
    assert len(fake_bedrock.calls) == started
    assert raised.value.response is not None
    assert raised.value.response.failed_requests == [f"q{n}" for n in range(started)]
    assert not raised.value.response.success


def test_as_many_requests_run_at_once_as_configured(fake_bedrock: FakeBedrock, answer_together) -> None:
    answer_together(3)
    manager = parallel(ParallelProcessingConfig(max_concurrent_requests=3))
    manager.converse_parallel(questions(12))
    manager.close()
    assert fake_bedrock.peak_in_flight == 3


def test_a_request_that_takes_too_long_times_out(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    manager = parallel(ParallelProcessingConfig(request_timeout_seconds=1))
    result = manager.converse_parallel(questions(1))
    manager.close()
    assert result.failed_requests == ["q0"]
    assert result.request_responses["q0"].get_last_error() is not None


def test_priorities_order_the_queue_when_enabled(fake_bedrock: FakeBedrock, messages) -> None:
    late = BedrockConverseRequest("late", messages, priority=5)
    soon = BedrockConverseRequest("soon", [{"role": "user", "content": [{"text": "first"}]}], priority=0)
    config = ParallelProcessingConfig(max_concurrent_requests=1, enable_request_prioritization=True)
    manager = parallel(config)
    result = manager.converse_parallel([late, soon])
    manager.close()
    assert [call.prompt for call in fake_bedrock.calls] == ["first", "Hello, how are you?"]
    assert list(result.request_responses) == ["late", "soon"]
