"""The settings of the events function, read from its environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdas.shared.settings import EnvironmentVariableError, event_settings

ENVIRONMENT = {
    "LLMMANAGER_REQUEST_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/requests",
    "LLMMANAGER_DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead",
    "LLMMANAGER_REPLY_QUEUES": '["arn:aws:sqs:us-east-1:123456789012:answers"]',
    "LLMMANAGER_MAX_TRIES": "5",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    event_settings.cache_clear()
    yield monkeypatch
    event_settings.cache_clear()


def test_a_valid_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    settings = event_settings()
    assert settings.max_tries == 5
    assert settings.reply_queues == ("arn:aws:sqs:us-east-1:123456789012:answers",)


def test_there_are_no_reply_queues_by_default(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("LLMMANAGER_REPLY_QUEUES")
    assert event_settings().reply_queues == ()


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - {"LLMMANAGER_REPLY_QUEUES"}))
def test_the_error_names_a_missing_variable(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(EnvironmentVariableError, match=name):
        event_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMMANAGER_REPLY_QUEUES", "answers"),
        ("LLMMANAGER_REPLY_QUEUES", '["answers"]'),
        ("LLMMANAGER_REPLY_QUEUES", '["arn:aws:sqs:us-east-1:123456789012:answers.fifo"]'),
        ("LLMMANAGER_MAX_TRIES", "0"),
    ],
)
def test_the_error_names_the_variable_of_an_invalid_value(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(EnvironmentVariableError, match=name):
        event_settings()
