"""What the mappings load: a cold start of the function pays for it."""

from __future__ import annotations

from tests.unit.structure.test_import_budget import loaded_by

HEAVY = {"asyncio", "aws_lambda_powertools", "boto3", "botocore", "jsonschema", "pydantic", "urllib3"}


def test_the_mapping_of_chat_completions_loads_nothing_heavy() -> None:
    loaded = loaded_by(
        "import lambdas.streaming_api.chat_completions.answer, lambdas.streaming_api.chat_completions.stream"
    )
    assert "lambdas.streaming_api.chat_completions.request" in loaded
    assert not HEAVY & loaded


def test_the_mapping_of_responses_loads_nothing_heavy() -> None:
    loaded = loaded_by(
        "import lambdas.streaming_api.responses.answer, lambdas.streaming_api.responses.stream"
    )
    assert "lambdas.streaming_api.responses.request" in loaded
    assert not HEAVY & loaded


def test_the_mapping_of_messages_loads_nothing_heavy() -> None:
    loaded = loaded_by("import lambdas.streaming_api.messages.answer, lambdas.streaming_api.messages.stream")
    assert "lambdas.streaming_api.messages.request" in loaded
    assert not HEAVY & loaded
