"""The functions can read the environment that the template gives them, and get the values of the settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from infra.settings import SETTINGS
from lambdas.contract import EnvironmentVariable
from lambdas.shared import settings

EVERYWHERE = (
    settings.model_settings,
    settings.batch_settings,
    settings.event_bus,
    settings.log_payloads,
    settings.metrics_namespace,
    settings.model_aliases,
    settings.cors_origins,
    settings.team_callers,
    settings.budget_max_tokens,
)
ONLY_IN = {
    "HttpApiHandlerFunction": (
        settings.batch_state_machine_arn,
        settings.request_table,
        settings.request_queue_url,
        settings.request_lost_seconds,
        settings.key_table,
        settings.usage_table,
    ),
    "StreamingApiHandlerFunction": (settings.request_table, settings.usage_table),
    "ConverseStreamHandlerFunction": (settings.request_table, settings.usage_table),
    "KeyAuthorizerHandlerFunction": (settings.key_table,),
    "EventsHandlerFunction": (
        settings.batch_state_machine_arn,
        settings.request_table,
        settings.event_settings,
        settings.usage_table,
    ),
    "BatchWorkerFunction": (settings.usage_table,),
}
# What CloudFormation inserts for references whose format the functions check.
INSERTED = {
    "<BatchBucket>": "llmmanager-batchbucket",
    "<BatchMachine>": "arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    readers = {*EVERYWHERE, *(reader for readers in ONLY_IN.values() for reader in readers)}
    for reader in readers:
        reader.cache_clear()
    yield
    for reader in readers:
        reader.cache_clear()


def in_function(stack: Any, name: str, *readers: Callable[[], Any]) -> list[Any]:
    """Return what the readers return in a function of the stack."""
    given: Mapping[str, str] = stack.of_type("AWS::Lambda::Function")[name]["Environment"]["Variables"]
    variables = {key: INSERTED.get(value, value) for key, value in given.items()}
    with patch.dict(os.environ, variables, clear=True):
        for reader in readers:
            reader.cache_clear()
        return [reader() for reader in readers]


@pytest.mark.parametrize("deployed", ["stack", "varied"])
def test_every_function_can_read_its_settings(deployed: str, request: pytest.FixtureRequest) -> None:
    stack = request.getfixturevalue(deployed)
    names = stack.of_type("AWS::Lambda::Function")
    assert ONLY_IN.keys() <= names.keys()
    for name in names:
        in_function(stack, name, *EVERYWHERE, *ONLY_IN.get(name, ()))


def test_a_function_reads_the_values_of_the_settings(varied: Any) -> None:
    models, aliases, origins, batch, payloads, events, teams, tokens = in_function(
        varied,
        "EventsHandlerFunction",
        settings.model_settings,
        settings.model_aliases,
        settings.cors_origins,
        settings.batch_settings,
        settings.log_payloads,
        settings.event_settings,
        settings.team_callers,
        settings.budget_max_tokens,
    )
    assert (models.models, models.regions) == (("Nova Micro",), ("eu-west-2",))
    assert aliases == {"gpt-4o": "Nova Micro"}
    assert origins == ("https://chat.example.com", "http://localhost:3000")
    assert (batch.shard_size, batch.worker_concurrency, batch.map_concurrency) == (50, 8, 3)
    assert (batch.input_buckets, batch.single_request_share) == (("prompts-a", "prompts-b"), 0.25)
    assert batch.managed_lane is False
    assert payloads is True
    assert (teams, tokens) == (("arn:aws:sts::123456789012:assumed-role/gateway-*",), 1000)
    assert events.reply_queues == ("arn:aws:sqs:eu-west-2:123456789012:answers",)


def test_the_functions_read_every_variable_with_a_setting() -> None:
    source = Path(settings.__file__).read_text("utf-8")
    given = {setting.variable for setting in SETTINGS if setting.variable}
    read = {name for name, value in vars(EnvironmentVariable).items() if value in given and name in source}
    assert {getattr(EnvironmentVariable, name) for name in read} == given
