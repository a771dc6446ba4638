"""Settings, read from the environment."""

from __future__ import annotations

import pytest

from lambdas.shared.settings import (
    EnvironmentVariableError,
    batch_settings,
    batch_state_machine_arn,
    model_settings,
)

READERS = {
    "LLMMANAGER_MODELS": model_settings,
    "LLMMANAGER_REGIONS": model_settings,
    "LLMMANAGER_TABLE": model_settings,
    "LLMMANAGER_BUCKET": batch_settings,
    "LLMMANAGER_INPUT_BUCKETS": batch_settings,
    "LLMMANAGER_WORKER_CONCURRENCY": batch_settings,
    "LLMMANAGER_MAP_CONCURRENCY": batch_settings,
    "LLMMANAGER_SHARD_SIZE": batch_settings,
    "LLMMANAGER_BATCH_STATE_MACHINE_ARN": batch_state_machine_arn,
}


def test_a_valid_environment_is_read(environment):
    models, batch = model_settings(), batch_settings()

    assert (models.models, models.regions, models.table) == (
        ("Nova Lite", "Nova Micro"),
        ("us-east-1", "us-west-2"),
        "catalog",
    )
    assert (batch.bucket, batch.input_buckets) == ("batches", ("inputs",))
    assert (batch.shard_size, batch.worker_concurrency, batch.map_concurrency) == (500, 32, 10)
    assert batch_state_machine_arn().endswith(":stateMachine:Batch")


def test_batches_leave_a_tenth_of_the_quota_by_default(environment):
    assert batch_settings().single_request_share == 0.1

    batch_settings.cache_clear()
    environment.setenv("LLMMANAGER_SINGLE_REQUEST_SHARE", "0.25")

    assert batch_settings().single_request_share == 0.25


@pytest.mark.parametrize("value", ["1", "-0.1", "a tenth", "nan"])
def test_a_share_is_below_one(environment, value):
    environment.setenv("LLMMANAGER_SINGLE_REQUEST_SHARE", value)

    with pytest.raises(EnvironmentVariableError, match="must be a number from 0 to below 1"):
        batch_settings()


def test_the_environment_is_read_once(environment):
    before = model_settings()
    environment.setenv("LLMMANAGER_TABLE", "another")

    assert model_settings() is before


def test_the_error_has_all_missing_and_invalid_variables(environment):
    environment.delenv("LLMMANAGER_BUCKET")
    environment.setenv("LLMMANAGER_SHARD_SIZE", "many")

    with pytest.raises(EnvironmentVariableError) as raised:
        batch_settings()

    assert str(raised.value) == (
        "LLMMANAGER_BUCKET must be set; LLMMANAGER_SHARD_SIZE must be an integer of at least 1 (got 'many')"
    )


@pytest.mark.parametrize("name", sorted(set(READERS) - {"LLMMANAGER_INPUT_BUCKETS"}))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_the_error_names_a_missing_variable(environment, name, value):
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)

    with pytest.raises(EnvironmentVariableError, match=name):
        READERS[name]()


def test_there_are_no_input_buckets_by_default(environment):
    environment.delenv("LLMMANAGER_INPUT_BUCKETS")

    assert batch_settings().input_buckets == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMMANAGER_MODELS", "Nova Lite"),
        ("LLMMANAGER_MODELS", "[]"),
        ("LLMMANAGER_MODELS", '{"a": 1}'),
        ("LLMMANAGER_MODELS", '[""]'),
        ("LLMMANAGER_MODELS", '["Nova Lite", "Nova Lite"]'),
        ("LLMMANAGER_MODELS", "[1]"),
        ("LLMMANAGER_REGIONS", '["us-east"]'),
        ("LLMMANAGER_REGIONS", '["US-EAST-1"]'),
        ("LLMMANAGER_BUCKET", "s3://batches"),
        ("LLMMANAGER_INPUT_BUCKETS", '["a/b"]'),
        ("LLMMANAGER_SHARD_SIZE", "0"),
        ("LLMMANAGER_SHARD_SIZE", "many"),
        ("LLMMANAGER_SHARD_SIZE", "1.5"),
        ("LLMMANAGER_WORKER_CONCURRENCY", "-1"),
        ("LLMMANAGER_WORKER_CONCURRENCY", "٣"),
        ("LLMMANAGER_BATCH_STATE_MACHINE_ARN", "Batch"),
    ],
)
def test_the_error_names_the_variable_of_an_invalid_value(environment, name, value):
    environment.setenv(name, value)

    with pytest.raises(EnvironmentVariableError, match=name):
        READERS[name]()
