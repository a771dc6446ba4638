"""Invalid settings are rejected by name."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationType,
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    Deadline,
    ParallelConfigurationError,
    ParallelProcessingConfig,
    ResponseValidationConfig,
    RetryConfig,
    RetryStrategy,
    ValidationResult,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("retry_delay", -0.1),
        ("retry_delay", float("nan")),
        ("retry_delay", "1"),
        ("backoff_multiplier", 0.5),
        ("max_retry_delay", float("inf")),
        ("retry_strategy", "region_first"),
        ("retryable_errors", (5,)),
        ("retryable_errors", "ThrottlingException"),
        ("retryable_errors", None),
        ("access_method_order", "on_demand"),
        ("access_method_order", ("unknown_method",)),
        ("enable_feature_fallback", "no"),
        ("on_throttle", "give up"),
        ("on_throttle", None),
        ("max_cost_multiple", 0.9),
        ("max_cost_multiple", True),
        ("max_cost_multiple", float("inf")),
        pytest.param("max_cost_multiple", 10**400, id="huge max_cost_multiple"),
        pytest.param("retry_delay", 10**400, id="huge retry_delay"),
    ],
)
def test_an_invalid_retry_setting_is_named(field: str, value: object) -> None:
    invalid: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError, match=field):
        RetryConfig(**invalid)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_concurrent_requests", 0),
        ("max_concurrent_requests", 2.5),
        ("request_timeout_seconds", 0),
        ("failure_threshold", 1.1),
        ("failure_threshold", -0.1),
        ("failure_threshold", float("nan")),
        ("failure_handling_strategy", "continue"),
        ("load_balancing_strategy", None),
        ("enable_request_prioritization", "yes"),
    ],
)
def test_an_invalid_parallel_setting_is_named(field: str, value: object) -> None:
    invalid: dict[str, Any] = {field: value}
    with pytest.raises(ParallelConfigurationError, match=field) as raised:
        ParallelProcessingConfig(**invalid)
    assert raised.value.invalid_parameter == field


def test_an_invalid_reaction_to_throttling_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="'failover' or 'wait'"):
        RetryConfig(on_throttle="give up")  # type: ignore[arg-type]


def test_the_documented_defaults_hold() -> None:
    retry = RetryConfig()
    assert (retry.max_retries, retry.retry_delay, retry.backoff_multiplier) == (3, 1.0, 2.0)
    assert (retry.max_retry_delay, retry.retry_strategy) == (60.0, RetryStrategy.REGION_FIRST)
    assert (retry.enable_feature_fallback, retry.retryable_errors) == (True, ())
    assert (retry.on_throttle, retry.max_cost_multiple) == ("failover", None)
    parallel = ParallelProcessingConfig()
    assert (parallel.max_concurrent_requests, parallel.request_timeout_seconds) == (10, 120)
    assert (parallel.failure_threshold, parallel.enable_request_prioritization) == (0.5, False)
    validation = ResponseValidationConfig(lambda _: None)  # type: ignore[arg-type, return-value]
    assert (validation.response_validation_retries, validation.response_validation_delay) == (3, 0.0)


@pytest.mark.parametrize(
    ("auth_type", "missing"),
    [
        (AuthenticationType.PROFILE, "profile_name"),
        (AuthenticationType.CREDENTIALS, "access_key_id and secret_access_key"),
    ],
)
def test_missing_fields_of_an_authentication_type_are_named(
    auth_type: AuthenticationType, missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        AuthConfig(auth_type)


def test_secrets_do_not_show_in_a_repr() -> None:
    config = AuthConfig(
        AuthenticationType.CREDENTIALS, access_key_id="AKIAX", secret_access_key="hush", session_token="tok"
    )
    assert "hush" not in repr(config)
    assert "tok'" not in repr(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile_name", 5),
        ("region", ["us-east-1"]),
        ("access_key_id", b"hush"),
        ("secret_access_key", {"value": "hush"}),
        ("access_key_id", "AKIA hush"),
        ("secret_access_key", "hush\n"),
        ("session_token", "hush\r\n"),
    ],
)
def test_an_invalid_credential_is_named_and_its_value_is_not_shown(field: str, value: object) -> None:
    given: dict[str, Any] = {"access_key_id": "AKIAX", "secret_access_key": "secret", field: value}
    with pytest.raises(ConfigurationError, match=field) as raised:
        AuthConfig(AuthenticationType.CREDENTIALS, **given)
    assert "hush" not in f"{raised.value} {raised.value.details}"


def test_a_profile_name_may_contain_spaces() -> None:
    assert AuthConfig(AuthenticationType.PROFILE, profile_name="my team").profile_name == "my team"


def test_a_list_of_errors_becomes_a_tuple() -> None:
    config = RetryConfig(retryable_errors=["SlowDown"], access_method_order=["global_profile"])  # type: ignore[arg-type]
    assert (config.retryable_errors, config.access_method_order) == (("SlowDown",), ("global_profile",))


def test_a_response_validation_requires_a_callable() -> None:
    with pytest.raises(ConfigurationError, match="response_validation_function"):
        ResponseValidationConfig("check")  # type: ignore[arg-type]


def test_a_response_validation_is_not_async() -> None:
    async def check(response: BedrockResponse) -> ValidationResult:
        return ValidationResult(True)

    with pytest.raises(ConfigurationError, match="response_validation_function must not be async"):
        ResponseValidationConfig(check)  # type: ignore[arg-type]


def test_a_request_requires_messages_and_a_valid_id_and_priority() -> None:
    with pytest.raises(TypeError, match="messages"):
        BedrockConverseRequest()
    with pytest.raises(ParallelConfigurationError, match="request_id"):
        BedrockConverseRequest(request_id="", messages=[])
    for priority in ("high", None, -1, True):
        with pytest.raises(ParallelConfigurationError, match="priority"):
            BedrockConverseRequest(messages=[], priority=priority)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["5", True, float("nan"), []])
def test_a_deadline_is_seconds_or_a_deadline(value: object) -> None:
    with pytest.raises(ConfigurationError, match="deadline"):
        Deadline.from_value(value)  # type: ignore[arg-type]


def test_deadlines_are_shared_and_compared() -> None:
    sooner, later = Deadline.after(1), Deadline.after(100)
    assert Deadline.from_value(sooner) is sooner
    assert later.earlier(sooner) is sooner
    assert 0 < sooner.remaining() <= 1
    assert Deadline.from_value(None).remaining() == float("inf")


def test_an_authentication_type_is_a_member_of_the_enum() -> None:
    with pytest.raises(ConfigurationError, match=r"AuthenticationType \(got 'profile'\)"):
        AuthConfig("profile")  # type: ignore[arg-type]


def test_the_result_of_a_validation_becomes_a_dict() -> None:
    result = ValidationResult(success=False, error_message="too plain", error_details={"words": 3})
    assert result.to_dict() == {
        "success": False,
        "error_message": "too plain",
        "error_details": {"words": 3},
    }
    assert ValidationResult(success=True).to_dict()["error_details"] is None
