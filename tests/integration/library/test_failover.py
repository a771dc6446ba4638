"""LLMManager against a Bedrock that throttles, rejects and breaks."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationError,
    AuthenticationType,
    BedrockConverseRequest,
    ConfigurationError,
    Deadline,
    LLMManager,
    RequestValidationError,
    RetryExhaustedError,
    RetryStrategy,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError
from llmmanager.testing import FakeBedrock, Fault

Messages = list[dict[str, Any]]
NOVA_LITE = "amazon.nova-lite-v1:0"
NOVA_MICRO = "amazon.nova-micro-v1:0"


def targets(bedrock: FakeBedrock) -> list[tuple[str, str]]:
    return [(call.invoked_id, call.region) for call in bedrock.calls]


def test_the_first_region_of_the_first_model_answers(fake_bedrock, make_manager, ask) -> None:
    response = make_manager(("Nova Lite", "Nova Micro")).converse(ask)
    assert response.success
    assert response.get_content()
    assert (response.model_used, response.region_used) == (NOVA_LITE, "us-east-1")
    assert (response.access_method, response.inference_profile_id) == ("on_demand", None)
    assert response.get_stop_reason() == "end_turn"
    assert response.get_usage()["input_tokens"] == response.get_usage()["inputTokens"] > 0
    assert response.get_metrics()["attempts_made"] == 1
    assert response.get_metrics()["successful_attempt_number"] == 1
    assert targets(fake_bedrock) == [(NOVA_LITE, "us-east-1")]


def test_the_warm_path_makes_no_call_but_converse(fake_bedrock, make_manager, ask) -> None:
    manager = make_manager(("Nova Lite", "Claude Haiku 4.5"), ("us-east-1", "eu-central-1"))
    for _ in range(3):
        manager.converse(ask)
    assert {call.operation for call in fake_bedrock.calls} == {"Converse"}
    assert len(fake_bedrock.calls) == 3


def test_a_throttled_region_is_left_for_the_next(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
    response = make_manager().converse(ask)
    assert response.region_used == "us-west-2"
    assert [attempt.success for attempt in response.attempts] == [False, True]
    assert response.attempts[0].decision == "same_target"
    assert "ThrottlingException" in str(response.get_last_error())


def test_region_first_and_model_first_differ_in_what_follows(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", count=3))
    make_manager(("Nova Lite", "Nova Micro")).converse(ask)
    region_first = targets(fake_bedrock)
    fake_bedrock.reset()
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", count=3))
    make_manager(("Nova Lite", "Nova Micro"), retry={"retry_strategy": RetryStrategy.MODEL_FIRST}).converse(
        ask
    )
    assert region_first == [
        (NOVA_LITE, "us-east-1"),
        (NOVA_LITE, "us-west-2"),
        (NOVA_MICRO, "us-east-1"),
        ("us.amazon.nova-micro-v1:0", "us-west-2"),
    ]
    assert targets(fake_bedrock) == [
        (NOVA_LITE, "us-east-1"),
        (NOVA_MICRO, "us-east-1"),
        (NOVA_LITE, "us-west-2"),
        ("us.amazon.nova-micro-v1:0", "us-west-2"),
    ]


def test_everything_throttled_ends_after_max_retries_with_every_attempt(
    fake_bedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError) as raised:
        make_manager().converse(ask)
    error = raised.value
    assert len(error.attempts) == len(error.last_errors) == len(fake_bedrock.calls) == 4
    assert error.regions_tried == ["us-east-1", "us-west-2"]
    assert error.response is not None
    assert not error.response.success
    assert error.response.attempts == error.attempts
    assert error.response.get_content() is None


def test_targets_without_access_are_each_tried_once_whatever_max_retries(
    fake_bedrock, make_manager, ask
) -> None:
    fake_bedrock.deny("amazon.nova-lite-v1:0")
    manager = make_manager(("Nova Lite", "Nova Micro"), retry={"max_retries": 0})
    response = manager.converse(ask)
    assert response.model_used == NOVA_MICRO
    assert targets(fake_bedrock)[:2] == [(NOVA_LITE, "us-east-1"), (NOVA_LITE, "us-west-2")]


def test_a_model_that_takes_profiles_only_is_called_through_its_profile(
    fake_bedrock, make_manager, ask
) -> None:
    response = make_manager(("Claude Haiku 4.5",), ("eu-central-1",)).converse(ask)
    assert response.model_used == "anthropic.claude-haiku-4-5-20251001-v1:0"
    assert response.inference_profile_id == "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert response.access_method == "geographic_profile"


def test_on_demand_rejected_goes_through_the_profile_and_is_remembered(
    fake_bedrock, make_manager, ask
) -> None:
    message = (
        f"Invocation of model ID {NOVA_LITE} with on-demand throughput isn\u2019t supported. Retry your "
        "request with the ID or ARN of an inference profile that contains this model."
    )
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message=message, model=NOVA_LITE, access="on_demand")
    )
    manager = make_manager(regions=("us-east-1",))
    first, second = manager.converse(ask), manager.converse(ask)
    assert [attempt.decision for attempt in first.attempts] == ["other_access_method", None]
    assert first.inference_profile_id == "us.amazon.nova-lite-v1:0"
    assert len(second.attempts) == 1
    assert second.inference_profile_id == "us.amazon.nova-lite-v1:0"


def test_a_daily_quota_is_not_waited_for_and_cools_the_target(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(
        Fault(
            error="ThrottlingException",
            message="Too many tokens per day, please wait before trying again.",
            region="us-east-1",
        )
    )
    manager = make_manager(retry={"max_retries": 0})
    assert manager.converse(ask).region_used == "us-west-2"
    assert [attempt.region for attempt in manager.converse(ask).attempts] == ["us-west-2"]


def test_a_region_that_cannot_be_reached_is_left_for_the_next(
    fake_bedrock, make_manager, ask, monkeypatch
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, region="us-east-1"))
    assert make_manager().converse(ask).region_used == "us-west-2"


def test_a_silent_target_is_left_after_the_timeout_and_not_called_again(
    fake_bedrock, make_manager, ask, clock
) -> None:
    fake_bedrock.add_fault(Fault(hang=True, region="us-east-1"))
    clock.silent_regions = {"us-east-1"}
    response = make_manager(timeout=7).converse(ask)
    assert clock.read_timeouts == [7, 7]
    assert [attempt.region for attempt in response.attempts] == ["us-east-1", "us-west-2"]
    assert type(response.attempts[0].error).__name__ == "ReadTimeoutError"


def test_a_deadline_bounds_a_silent_target(fake_bedrock, make_manager, ask, clock) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    clock.silent_regions = {"us-east-1", "us-west-2"}
    clock.seconds_per_call = 5
    with pytest.raises(DeadlineExceededError) as raised:
        make_manager().converse(ask, deadline=5)
    assert clock.read_timeouts == [pytest.approx(5)]
    assert len(raised.value.attempts) == 1


def test_no_attempt_starts_after_the_deadline(fake_bedrock, make_manager, ask) -> None:
    with pytest.raises(DeadlineExceededError) as raised:
        make_manager().converse(ask, deadline=Deadline.after(0))
    assert fake_bedrock.calls == ()
    assert raised.value.response is not None
    assert raised.value.response.get_last_error() is raised.value


def test_no_wait_starts_that_would_outlast_the_deadline(fake_bedrock, make_manager, ask, clock) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", retry_after=30))
    with pytest.raises(DeadlineExceededError):
        make_manager().converse(ask, deadline=10)
    assert clock.sleeps == []
    assert len(fake_bedrock.calls) == 2


def test_a_servers_retry_after_is_waited_for(fake_bedrock, make_manager, ask, clock) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", retry_after=7, count=1))
    assert make_manager(regions=("us-east-1",), retry={"retry_delay": 0.0}).converse(ask).success
    assert clock.sleeps == [pytest.approx(7)]


@pytest.mark.parametrize(
    "error",
    [
        Fault(error="UnrecognizedClientException"),
        Fault(error="InvalidClientTokenId"),
        Fault(error="InvalidSignatureException"),
        Fault(
            error="AccessDeniedException",
            message="Authentication failed: Please make sure your API Key is valid.",
        ),
    ],
    ids=lambda fault: fault.error,
)
def test_credentials_that_every_region_rejects_are_an_authentication_error(
    fake_bedrock, make_manager, ask, error
) -> None:
    fake_bedrock.add_fault(error)
    with pytest.raises(AuthenticationError, match="every region tried") as raised:
        make_manager(("Nova Lite", "Nova Micro")).converse(ask)
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2"]
    assert raised.value.region == "us-east-1"
    assert raised.value.response is not None
    assert len(raised.value.response.attempts) == 2


@pytest.mark.parametrize("strategy", RetryStrategy)
@pytest.mark.parametrize("error", ["UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired"])
def test_a_region_that_is_not_enabled_is_left_with_all_its_models_and_tried_last_from_then_on(
    fake_bedrock, make_manager, ask, strategy, error
) -> None:
    fake_bedrock.add_fault(Fault(error=error, region="ap-northeast-1"))
    manager = make_manager(
        ("Claude Sonnet 4.5", "Nova Lite"),
        ("ap-northeast-1", "us-east-1"),
        retry={"max_retries": 0, "retry_strategy": strategy},
    )
    first, second = manager.converse(ask), manager.converse(ask)
    assert [attempt.region for attempt in first.attempts] == ["ap-northeast-1", "us-east-1"]
    assert [attempt.region for attempt in second.attempts] == ["us-east-1"]


def test_rejected_credentials_in_one_region_and_another_error_in_the_rest_are_no_authentication_error(
    fake_bedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(error="UnrecognizedClientException", region="us-east-1"))
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", region="us-west-2"))
    with pytest.raises(RetryExhaustedError):
        make_manager().converse(ask)


def test_expired_credentials_are_refreshed_once(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ExpiredTokenException", count=1))
    response = make_manager().converse(ask)
    assert [attempt.region for attempt in response.attempts] == ["us-east-1", "us-east-1"]
    fake_bedrock.add_fault(Fault(error="ExpiredTokenException"))
    with pytest.raises(AuthenticationError):
        make_manager().converse(ask)


def test_missing_credentials_are_an_authentication_error(fake_bedrock, ask, monkeypatch) -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AuthenticationError):
        manager.converse(ask)
    assert manager.validate_configuration()["auth_status"] == "missing"
    manager.close()


def test_a_profile_that_does_not_exist_is_an_authentication_error(make_manager, ask) -> None:
    auth = AuthConfig(AuthenticationType.PROFILE, profile_name="unknown")
    manager = make_manager(auth_config=auth)
    with pytest.raises(AuthenticationError, match="unknown"):
        manager.converse(ask)


def test_a_request_that_bedrock_calls_malformed_is_not_carried_round(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", message="Malformed input request: #/x"))
    with pytest.raises(RequestValidationError, match="Malformed") as raised:
        make_manager().converse(ask)
    assert len(fake_bedrock.calls) == 1
    assert raised.value.response is not None


def test_a_bad_request_is_rejected_with_all_its_problems_before_any_call(fake_bedrock, make_manager) -> None:
    with pytest.raises(RequestValidationError) as raised:
        make_manager().converse(
            [{"role": "unknown", "content": [{"image": {"format": "bmp", "source": {"bytes": b"x"}}}]}],
            inference_config={"maxTokens": 0},
        )
    fields = " ".join(raised.value.validation_errors)
    assert "role" in fields
    assert "format" in fields
    assert "maxTokens" in fields
    assert fake_bedrock.calls == ()


def test_unknown_fields_and_blocks_reach_bedrock_as_they_are(fake_bedrock, make_manager) -> None:
    manager = make_manager(regions=("us-east-1",))
    messages = [{"role": "user", "content": [{"text": "hi"}, {"hologram": {"bytes": b"\x00\x01"}}]}]
    with contextlib.suppress(RetryExhaustedError):
        manager.converse(messages, extra_request_fields={"quantumConfig": {"qubits": 2}})
    body = fake_bedrock.calls[0].body
    assert body["quantumConfig"] == {"qubits": 2}
    assert body["messages"][0]["content"][1] == {"hologram": {"bytes": "AAE="}}


def test_defaults_of_the_manager_yield_to_the_call_field_by_field(fake_bedrock, make_manager, ask) -> None:
    manager = make_manager(default_inference_config={"maxTokens": 50, "temperature": 0.1})
    manager.converse(ask, inference_config={"temperature": 0.9})
    assert fake_bedrock.calls[0].body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.9}


def test_a_call_changes_nothing_it_was_given(fake_bedrock, make_manager) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=1))
    arguments: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"text": "hi"}, {"cachePoint": {"type": "default"}}]}],
        "system": [{"text": "be brief"}],
        "inference_config": {"maxTokens": 20, "temperature": 0.5, "topP": 0.5},
        "prompt_variables": {"name": "value"},
        "request_metadata": {"team": "a"},
    }
    before = copy.deepcopy(arguments)
    make_manager(("Claude Haiku 4.5",)).converse(**arguments)
    assert arguments == before


def test_an_unknown_model_is_rejected_with_the_nearest_names(make_manager) -> None:
    with pytest.raises(ConfigurationError, match="Nova Lite"):
        make_manager(("Nova Light",))


def test_a_model_that_is_not_in_the_regions_says_where_it_can_be_had(make_manager) -> None:
    with pytest.raises(ConfigurationError, match="ap-south-1"):
        make_manager(("Claude 3 Haiku",), ("us-east-1",))


def test_a_model_missing_in_one_region_is_a_warning(make_manager) -> None:
    manager = make_manager(("Claude 3 Haiku",), ("us-east-1", "eu-west-3"))
    result = manager.validate_configuration()
    assert result["valid"]
    assert result["model_region_combinations"] == 1
    assert any("us-east-1" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"models": ()}, "models"),
        ({"models": ("",)}, "models"),
        ({"regions": ()}, "regions"),
        ({"regions": ("mars",)}, "mars"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"auth_config": "profile"}, "auth_config"),
        ({"default_inference_config": ["x"]}, "default_inference_config"),
        (
            {"default_inference_config": {"max_tokens": 5}},
            "default_inference_config.max_tokens: must be spelled",
        ),
        ({"default_inference_config": {"maxTokens": "5"}}, "default_inference_config.maxTokens: must be"),
    ],
)
def test_a_bad_setting_is_rejected_by_its_name(make_manager, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make_manager(**arguments)


def test_the_statistics_count_what_happened(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", count=2))
    manager = make_manager()
    manager.converse(ask)
    manager.converse(ask)
    manager.converse(ask)
    stats = manager.get_retry_stats()
    counters = ("requests", "attempts", "retries", "failovers", "feature_fallbacks")
    assert [stats[name] for name in counters] == [3, 5, 2, 2, 0]
    assert stats["throttles"] == {f"{NOVA_LITE}@us-east-1": 2}
    assert stats["max_retries"] == 3
    assert stats["retry_strategy"] == "region_first"


def test_a_custom_preference_changes_the_access_method(fake_bedrock, make_manager, ask) -> None:
    manager = make_manager(
        regions=("us-east-1",), retry={"access_method_order": ("geographic_profile", "on_demand")}
    )
    assert manager.converse(ask).inference_profile_id == "us.amazon.nova-lite-v1:0"
    with pytest.raises(ConfigurationError, match="access_method_order"):
        make_manager(retry={"access_method_order": ("by_boat",)})


def test_a_document_goes_out_under_a_name_that_bedrock_takes(fake_bedrock, make_manager) -> None:
    document = {"document": {"name": "Q3  report_v2.pdf", "format": "pdf", "source": {"bytes": b"%PDF-1.4"}}}
    content = [{"text": "What does it say?"}, document]
    response = make_manager().converse([{"role": "user", "content": content}])
    sent = fake_bedrock.calls[0].body["messages"][0]["content"][1]["document"]["name"]
    assert sent == "Q3 report-v2-pdf"
    assert document["document"]["name"] == "Q3  report_v2.pdf"
    assert any("Q3 report-v2-pdf" in warning for warning in response.get_warnings())


def test_regions_in_which_no_model_can_be_had_are_a_configuration_error(make_manager, ask) -> None:
    manager = make_manager(("Claude 3 Haiku",), ("us-east-1", "eu-west-3"))
    request = BedrockConverseRequest(messages=ask)
    with pytest.raises(ConfigurationError, match="eu-west-3"):
        manager.converse_with_request(request, regions=["us-east-1"])
