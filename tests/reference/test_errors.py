"""The reference's way to handle errors, each exception met for real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmmanager import (
    ConfigurationError,
    LLMManager,
    LLMManagerError,
    RequestValidationError,
    RetryExhaustedError,
)
from llmmanager.testing import FakeCatalog, FakeModel, Fault

Handle = Callable[..., str]


@pytest.fixture
def handle(snippets, capsys, messages) -> Handle:
    """Runs the error handling pattern with the exceptions imported as documented; what it printed."""

    def run(manager: Any, said: Any = messages) -> str:
        imported = dict(snippets.run("24-exception-hierarchy"))
        snippets.run("25-error-handling", {**imported, "manager": manager, "messages": said})
        return capsys.readouterr().out

    return run


def test_an_answer_is_printed(handle: Handle, manager) -> None:
    printed = handle(manager)
    assert printed.strip()
    assert "failed" not in printed


def test_an_answer_that_is_never_valid_is_a_failed_request(handle: Handle, never_satisfied) -> None:
    assert handle(never_satisfied) == "Request failed: never good enough\n"


def test_a_bad_request_prints_every_problem(handle: Handle, fake_bedrock, manager) -> None:
    printed = handle(manager, [{"role": "unknown", "content": [{"text": 5}]}])
    first, second = printed.splitlines()
    assert first.startswith("Request validation failed: ")
    assert second.startswith("Validation errors: ['messages[0].role: ")
    assert "messages[0].content[0].text" in second
    assert fake_bedrock.calls == ()


def test_credentials_that_aws_rejects_are_printed_as_such(handle: Handle, fake_bedrock, manager) -> None:
    fake_bedrock.add_fault(Fault(error="UnrecognizedClientException"))
    assert handle(manager).startswith("Authentication failed: ")
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2"]


def test_no_credentials_at_all_are_printed_as_such(handle: Handle, manager, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert handle(manager).startswith("Authentication failed: ")


def test_targets_that_all_fail_are_printed_as_such(handle: Handle, fake_bedrock, manager) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    assert handle(manager).startswith("All retries failed: ")


def test_models_that_aws_has_taken_away_are_a_configuration_error(
    handle: Handle, bedrock_of, messages
) -> None:
    bedrock_of(catalog=FakeCatalog(FakeModel(model_id="acme.talk-v1:0", on_demand=["us-east-1"])))
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    manager.refresh_model_data()
    try:
        printed = handle(manager)
    finally:
        manager.close()
    assert printed.startswith("Configuration error: ")
    assert "us-west-2" in printed


def test_an_exhausted_call_carries_its_attempts_errors_and_response(fake_bedrock, manager, messages) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError) as raised:
        manager.converse(messages)
    error = raised.value
    assert len(error.attempts) == len(error.last_errors) == len(fake_bedrock.calls)
    assert error.response is not None
    assert (error.response.success, error.response.attempts) == (False, error.attempts)


@pytest.mark.parametrize(
    ("models", "regions"),
    [(["Nova Light"], ["us-east-1"]), ([], ["us-east-1"]), (["Nova Lite"], []), (["Nova Lite"], ["mars"])],
)
def test_a_configuration_that_cannot_work_is_rejected_at_once(
    fake_bedrock, models: list[str], regions: list[str]
) -> None:
    with pytest.raises(ConfigurationError):
        LLMManager(models, regions)


def test_a_request_of_another_kind_is_rejected_by_name(parallel_manager) -> None:
    with pytest.raises(LLMManagerError, match="request"):
        parallel_manager.converse_with_request({"messages": []})


def test_a_validation_of_another_kind_is_rejected_before_any_request(
    fake_bedrock, parallel_manager, snippets, messages
) -> None:
    space = snippets.run("09-bedrock-converse-request", {"messages": messages}, dots="messages")
    with pytest.raises(LLMManagerError, match="response_validation_config"):
        parallel_manager.converse_parallel([space["request"]], response_validation_config=lambda _: True)
    assert fake_bedrock.calls == ()


def test_a_request_validation_error_names_the_fields(manager) -> None:
    with pytest.raises(RequestValidationError) as raised:
        manager.converse([{"role": "user", "content": []}], inference_config={"maxTokens": 0})
    assert isinstance(raised.value.validation_errors, list)
    assert [error.partition(":")[0] for error in raised.value.validation_errors] == [
        "messages[0].content",
        "inferenceConfig.maxTokens",
    ]
