"""Modules, configurations, exceptions, constants and enums as the reference shows them."""

from __future__ import annotations

import importlib
from enum import Enum
from typing import Any

import pytest

import llmmanager
from llmmanager import (
    AuthConfig,
    AuthenticationType,
    BedrockConverseRequest,
    BedrockResponse,
    FailureHandlingStrategy,
    LLMManager,
    LLMManagerError,
    LoadBalancingStrategy,
    ParallelLLMManager,
    ParallelProcessingConfig,
    ParallelProcessingError,
    RequestValidationError,
    ResponseValidationConfig,
    RetryConfig,
    RetryStrategy,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock

MODULES = {
    "llmmanager": ("LLMManager", "ParallelLLMManager"),
    "llmmanager.bedrock.models.llm_manager_structures": (
        "AuthConfig",
        "AuthenticationType",
        "RetryConfig",
        "RetryStrategy",
        "ResponseValidationConfig",
        "ValidationResult",
    ),
    "llmmanager.bedrock.models.parallel_structures": (
        "BedrockConverseRequest",
        "ParallelProcessingConfig",
        "FailureHandlingStrategy",
        "LoadBalancingStrategy",
    ),
    "llmmanager.bedrock.models.llm_manager_constants": (
        "ConverseAPIFields",
        "LLMManagerConfig",
        "ContentLimits",
        "RetryableErrorTypes",
    ),
    "llmmanager.bedrock.exceptions.llm_manager_exceptions": (
        "LLMManagerError",
        "ConfigurationError",
        "RequestValidationError",
        "AuthenticationError",
        "RetryExhaustedError",
    ),
    "llmmanager.bedrock.exceptions.parallel_exceptions": (
        "ParallelProcessingError",
        "ParallelExecutionError",
        "ParallelConfigurationError",
    ),
}


@pytest.mark.parametrize("module", MODULES)
def test_every_documented_module_holds_what_is_imported_from_it(module: str) -> None:
    for name in MODULES[module]:
        assert getattr(importlib.import_module(module), name).__name__ == name


@pytest.mark.parametrize(
    "name",
    ["LLMManager", "ParallelLLMManager", "BedrockResponse", "UnifiedModelManager", "RequestAttempt"],
)
def test_what_the_reference_names_without_a_module_is_exported(name: str) -> None:
    assert name in llmmanager.__all__
    assert getattr(llmmanager, name).__name__ == name


# ---- 12: authentication


@pytest.fixture
def auth_configs(snippets) -> dict[AuthenticationType, AuthConfig]:
    """The reference's four ways to authenticate."""
    made = snippets.run("12-auth-config").history["auth_config"]
    return {config.auth_type: config for config in made}


def signed_by(fake_bedrock: FakeBedrock, config: AuthConfig, messages: list[dict[str, Any]]) -> str:
    manager = LLMManager(["Nova Lite"], ["us-east-1"], auth_config=config)
    try:
        assert manager.converse(messages).success
    finally:
        manager.close()
    return fake_bedrock.calls[-1].access_key_id


def test_the_four_ways_to_authenticate_hold_what_they_were_given(auth_configs) -> None:
    assert list(auth_configs) == list(AuthenticationType)
    assert auth_configs[AuthenticationType.PROFILE].profile_name == "my-aws-profile"
    given = auth_configs[AuthenticationType.CREDENTIALS]
    assert (given.access_key_id, given.secret_access_key, given.session_token) == ("AKIA...", "...", "...")
    assert auth_configs[AuthenticationType.IAM_ROLE].region == "us-east-1"


def test_direct_credentials_sign_the_request(fake_bedrock, messages, auth_configs) -> None:
    given = auth_configs[AuthenticationType.CREDENTIALS]
    assert signed_by(fake_bedrock, given, messages) == "AKIA..."


@pytest.mark.parametrize("kind", [AuthenticationType.IAM_ROLE, AuthenticationType.AUTO])
def test_a_role_and_the_default_use_what_the_environment_holds(
    fake_bedrock, messages, auth_configs, kind: AuthenticationType
) -> None:
    assert signed_by(fake_bedrock, auth_configs[kind], messages) == "testing"


# ---- 13, 14, 15, 16: configurations


def test_a_retry_configuration_can_be_used(snippets, fake_bedrock, messages) -> None:
    config = snippets.run("13-retry-config")["retry_config"]
    assert isinstance(config, RetryConfig)
    manager = LLMManager(["Nova Lite"], ["us-east-1"], retry_config=config)
    assert manager.converse(messages).success
    stats = manager.get_retry_stats()
    manager.close()
    assert stats["max_retries"] == 3
    assert (stats["retry_delay"], stats["backoff_multiplier"], stats["max_retry_delay"]) == (1.0, 2.0, 60.0)


def test_a_parallel_configuration_can_be_used(snippets, fake_bedrock, messages) -> None:
    config = snippets.run("14-parallel-processing-config")["parallel_config"]
    assert isinstance(config, ParallelProcessingConfig)
    manager = ParallelLLMManager(["Nova Lite"], ["us-east-1"], parallel_config=config)
    result = manager.converse_parallel([BedrockConverseRequest(messages=messages)])
    manager.close()
    assert result.success


def test_the_documented_validation_rejects_an_answer_that_speaks_of_an_error(
    snippets, bedrock_of, messages
) -> None:
    space = snippets.run("15-response-validation-config", {"BedrockResponse": BedrockResponse})
    config = space["validation_config"]
    assert isinstance(config, ResponseValidationConfig)
    answers = iter(["An Error happened", "All is well"])
    bedrock = bedrock_of(responder=lambda call: next(answers))
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    response = manager.converse(messages, response_validation_config=config)
    manager.close()
    assert response.get_content() == "All is well"
    assert response.get_validation_errors() == [
        {
            "error_message": "Response contains error keyword",
            "error_details": {"content": "An Error happened"},
            "attempt": 1,
        }
    ]
    assert len(bedrock.calls) == 2


def test_a_validation_result_is_right_or_tells_what_is_wrong() -> None:
    assert ValidationResult(success=True).error_message is None
    wrong = ValidationResult(success=False, error_message="no", error_details={"content": "x"})
    assert (wrong.success, wrong.error_message, wrong.error_details) == (False, "no", {"content": "x"})


def test_inference_parameters_reach_bedrock(snippets, fake_bedrock, manager, messages) -> None:
    config = snippets.run("16-inference-configuration")["inference_config"]
    assert manager.converse(messages, inference_config=config).success
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == {
        "maxTokens": 4096,
        "temperature": 0.7,
        "topP": 0.9,
        "stopSequences": ["Human:", "Assistant:"],
    }


def test_inference_parameters_serve_as_a_managers_default(snippets, fake_bedrock, messages) -> None:
    config = snippets.run("16-inference-configuration")["inference_config"]
    manager = LLMManager(["Nova Lite"], ["us-east-1"], default_inference_config=config)
    manager.converse(messages)
    manager.close()
    assert fake_bedrock.calls[-1].body["inferenceConfig"] == config


@pytest.mark.parametrize("model", ["Claude Haiku 4.5", "Claude Sonnet 4.5", "Claude Opus 4.7"])
def test_a_model_that_rejects_some_of_the_parameters_answers_without_them(
    snippets, fake_bedrock, messages, model: str
) -> None:
    config = snippets.run("16-inference-configuration")["inference_config"]
    manager = LLMManager([model], ["us-east-1"])
    response = manager.converse(messages, inference_config=config)
    manager.close()
    assert response.success
    assert response.features_disabled
    assert response.get_warnings()
    assert fake_bedrock.calls[-1].body["inferenceConfig"]["maxTokens"] == 4096


# ---- 24: exceptions


def test_the_exceptions_form_one_tree(snippets) -> None:
    space = snippets.run("24-exception-hierarchy")
    single = [
        space[name]
        for name in (
            "ConfigurationError",
            "RequestValidationError",
            "AuthenticationError",
            "RetryExhaustedError",
        )
    ]
    parallel = [space["ParallelExecutionError"], space["ParallelConfigurationError"]]
    assert space["LLMManagerError"] is LLMManagerError
    assert space["ParallelProcessingError"] is ParallelProcessingError
    assert all(issubclass(error, LLMManagerError) for error in single)
    assert all(issubclass(error, ParallelProcessingError) for error in parallel)
    assert issubclass(ParallelProcessingError, LLMManagerError)
    assert issubclass(LLMManagerError, Exception)
    assert not any(issubclass(error, ParallelProcessingError) for error in single)


def test_every_exception_can_be_made_from_its_message_and_says_it(snippets) -> None:
    space = snippets.run("24-exception-hierarchy")
    for name in ("LLMManagerError", "RetryExhaustedError", "AuthenticationError", "ParallelExecutionError"):
        assert str(space[name]("what happened")) == "what happened"


# ---- 27, 28: constants and enums


def test_the_constants_have_the_documented_values(snippets) -> None:
    space = snippets.run("27-constants")
    module = importlib.import_module("llmmanager.bedrock.models.llm_manager_constants")
    documented = {name: value for name, value in space.items() if name.isupper()}
    homes = {
        "MAX_IMAGES_PER_REQUEST": "ContentLimits",
        "MAX_DOCUMENTS_PER_REQUEST": "ContentLimits",
        "MAX_VIDEOS_PER_REQUEST": "ContentLimits",
        "MAX_IMAGE_SIZE_BYTES": "ContentLimits",
        "MAX_DOCUMENT_SIZE_BYTES": "ContentLimits",
        "DEFAULT_MAX_RETRIES": "LLMManagerConfig",
        "DEFAULT_RETRY_DELAY": "LLMManagerConfig",
        "DEFAULT_TIMEOUT": "LLMManagerConfig",
    }
    assert list(documented) == list(homes)
    for name, value in documented.items():
        assert getattr(module, name) == getattr(space[homes[name]], name) == value


@pytest.mark.parametrize(
    ("model", "kind", "file_format", "count", "size"),
    [
        ("Claude 3 Haiku", "image", "png", "MAX_IMAGES_PER_REQUEST", "MAX_IMAGE_SIZE_BYTES"),
        ("Claude 3 Haiku", "document", "pdf", "MAX_DOCUMENTS_PER_REQUEST", "MAX_DOCUMENT_SIZE_BYTES"),
        ("Nova Lite", "video", "mp4", "MAX_VIDEOS_PER_REQUEST", None),
    ],
)
def test_the_content_limits_hold_for_models_that_keep_them_and_are_checked_before_any_call(
    snippets, claude_3_offered, model: str, kind: str, file_format: str, count: str, size: str | None
) -> None:
    limits = snippets.run("27-constants")
    manager = LLMManager([model], ["us-east-1"])

    def ask(number: int, content: bytes = b"x") -> None:
        name = {"name": "a file"} if kind == "document" else {}
        block = {kind: {"format": file_format, **name, "source": {"bytes": content}}}
        manager.converse([{"role": "user", "content": [{"text": "Compare"}, *[block] * number]}])

    ask(limits[count])
    answered = len(claude_3_offered.calls)
    with pytest.raises(RequestValidationError, match=str(limits[count])):
        ask(limits[count] + 1)
    if size is not None:
        with pytest.raises(RequestValidationError, match=str(limits[size])):
            ask(1, bytes(limits[size] + 1))
    assert len(claude_3_offered.calls) == answered
    manager.close()


def test_the_api_field_names_are_those_of_converse(snippets) -> None:
    fields = snippets.run("27-constants")["ConverseAPIFields"]
    assert (fields.MESSAGES, fields.INFERENCE_CONFIG, fields.TOOL_CONFIG) == (
        "messages",
        "inferenceConfig",
        "toolConfig",
    )


def test_the_error_types_are_distinguished(snippets) -> None:
    types = snippets.run("27-constants")["RetryableErrorTypes"]
    assert "ThrottlingException" in types.THROTTLING_ERRORS
    assert "AccessDeniedException" in types.ACCESS_ERRORS
    assert "UnrecognizedClientException" in types.NON_RETRYABLE_ERRORS


@pytest.mark.parametrize(
    "enum", [AuthenticationType, RetryStrategy, FailureHandlingStrategy, LoadBalancingStrategy]
)
def test_the_enums_have_the_documented_members_and_values(snippets, enum: type[Enum]) -> None:
    documented = snippets.run("28-enums", {"Enum": Enum})[enum.__name__]
    assert {member.name: member.value for member in enum} == {
        member.name: member.value for member in documented
    }
    assert [member.name for member in enum] == [member.name for member in documented]
