"""The environment of the events function as typed settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdas.shared.settings import SettingsError, event_settings

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


def test_a_sound_environment_is_read_as_it_stands(environment: pytest.MonkeyPatch) -> None:
    settings = event_settings()
    assert settings.max_tries == 5
    assert settings.reply_queues == ("arn:aws:sqs:us-east-1:123456789012:answers",)


def test_no_reply_queues_are_the_default(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("LLMMANAGER_REPLY_QUEUES")
    assert event_settings().reply_queues == ()


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - {"LLMMANAGER_REPLY_QUEUES"}))
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=name):
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
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        event_settings()
