"""Guardrails, prompts and other resources of the account."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

PROMPT = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6"
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
MISSING = (
    "ValidationException",
    400,
    "The guardrail identifier or version provided in the request does not exist.",
)


def guardrail(identifier: str, version: str = "1") -> dict[str, Any]:
    return {"guardrailConfig": {"guardrailIdentifier": identifier, "guardrailVersion": version}}


def test_an_unknown_guardrail_is_rejected(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    assert error_of(send_prompt, **guardrail("def456")) == MISSING
    bedrock.add_guardrail("def456", versions=["DRAFT", "2"])
    assert error_of(send_prompt, **guardrail("def456")) == MISSING
    assert error_of(send_prompt, **guardrail("other", "2")) == MISSING
    send_prompt(**guardrail("def456", "2"))
    send_prompt(**guardrail("def456", "DRAFT"))
    send_prompt(**guardrail("arn:aws:bedrock:us-east-1:111122223333:guardrail/def456", "2"))


def test_two_guardrails_exist_by_default(send_prompt: Any, error_of: Any) -> None:
    for identifier in ("abc123", "gr1"):
        for version in ("1", "DRAFT"):
            send_prompt(**guardrail(identifier, version))
        assert error_of(send_prompt, **guardrail(identifier, "2")) == MISSING


def test_a_guardrail_exists_in_its_region_only(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    bedrock.add_guardrail("def456", region="us-west-2")
    assert error_of(send_prompt, **guardrail("def456")) == MISSING
    send_prompt(region="us-west-2", **guardrail("def456"))
    elsewhere = "arn:aws:bedrock:us-east-1:111122223333:guardrail/def456"
    assert error_of(send_prompt, region="us-west-2", **guardrail(elsewhere)) == MISSING


def test_a_malformed_guardrail_identifier_is_rejected(send_prompt: Any, error_of: Any) -> None:
    assert (
        error_of(send_prompt, **guardrail("My Guardrail"))[2]
        == "The provided guardrail identifier is invalid."
    )


def test_a_stream_with_an_unknown_guardrail_is_rejected(client: Any, error_of: Any) -> None:
    request = {"modelId": "acme.talk-v1:0", "messages": HELLO, **guardrail("def456")}
    assert error_of(client.converse_stream, **request) == MISSING


def test_a_prompt_is_answered_without_messages(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.add_resource(PROMPT, model="acme.plain", text="What is the weather in {{city}} {{ when }}?")
    variables = {"city": {"text": "Lima"}, "when": {"text": "today"}}
    answer = client.converse(modelId=PROMPT, promptVariables=variables)
    assert "weather" in answer["output"]["message"]["content"][0]["text"].lower()
    call = bedrock.calls[-1]
    assert (call.invoked_id, call.model_id, call.access_method) == (PROMPT, "acme.plain", "on_demand")
    assert "messages" not in call.body
    more = client.converse(modelId=PROMPT, promptVariables=variables, messages=HELLO)
    assert more["usage"]["inputTokens"] > answer["usage"]["inputTokens"]


def test_the_responder_receives_the_prompt_with_its_variables(catalog: Any) -> None:
    with FakeBedrock(catalog, responder=lambda call: f"heard: {call.prompt}") as bedrock:
        bedrock.add_resource(PROMPT, model="acme.plain", text="Weather in {{city}}?")
        answer = bedrock.client().converse(modelId=PROMPT, promptVariables={"city": {"text": "Lima"}})
    assert answer["output"]["message"]["content"] == [{"text": "heard: Weather in Lima?"}]


def test_a_prompt_can_be_streamed(client: Any) -> None:
    events = list(
        client.converse_stream(modelId=PROMPT, promptVariables={"city": {"text": "Lima"}})["stream"]
    )
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"


def test_a_prompt_without_a_value_for_a_variable_is_rejected(
    bedrock: FakeBedrock, client: Any, error_of: Any
) -> None:
    bedrock.add_resource(PROMPT, text="Weather in {{city}}?")
    assert "city" in error_of(client.converse, modelId=PROMPT, messages=HELLO)[2]


@pytest.mark.parametrize(
    "setting",
    [
        {"inferenceConfig": {"maxTokens": 5}},
        {"system": [{"text": "Be brief."}]},
        {"additionalModelRequestFields": {"top_k": 5}},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {}}}}]}},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_that_belongs_to_the_prompt_is_rejected_in_the_request(
    client: Any, error_of: Any, setting: Any
) -> None:
    code, _, message = error_of(client.converse, modelId=PROMPT, **setting)
    assert code == "ValidationException"
    assert next(iter(setting)) in message


@pytest.mark.parametrize(
    "kind",
    [
        "application-inference-profile/a1b2c3d4e5f6",
        "provisioned-model/a1b2c3d4e5f6",
        "imported-model/a1b2c3d4e5f6",
        "custom-model-deployment/a1b2c3d4e5f6",
        "default-prompt-router/meta.llama:1",
    ],
)
def test_the_arn_of_a_resource_can_be_called_like_a_model(fake_bedrock: FakeBedrock, kind: str) -> None:
    arn = f"arn:aws:bedrock:us-east-1:111122223333:{kind}"
    client = fake_bedrock.client()
    client.converse(modelId=arn, messages=HELLO)
    fake_bedrock.add_resource(arn, model="us.anthropic.claude-haiku-4-5-20251001-v1:0")
    client.converse(modelId=arn, messages=HELLO)
    assert [(call.model_id, call.access_method) for call in fake_bedrock.calls] == [
        ("amazon.nova-lite-v1:0", "on_demand"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "geo"),
    ]


def test_a_resource_can_be_called_in_its_region_only(send_prompt: Any, error_of: Any) -> None:
    send_prompt(modelId=PROFILE)
    message = error_of(send_prompt, modelId=PROFILE, region="us-west-2")[2]
    assert message == "The provided model identifier is invalid."


def test_a_resource_uses_a_profile_if_only_profiles_serve_the_model(
    send_prompt: Any, bedrock: FakeBedrock
) -> None:
    send_prompt(modelId=PROFILE.replace("us-east-1", "eu-west-1"), region="eu-west-1")
    assert bedrock.calls[-1].access_method == "geo"


def test_resources_are_read_from_settings_and_survive_a_reset(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    rules = {
        "guardrails": [{"identifier": "def456", "versions": ["1"]}],
        "resources": [{"arn": PROFILE, "model": "acme.plain"}],
        "enabled_regions": ["us-east-1"],
        "rejected_credentials": {"AKIASTALE": "ExpiredTokenException"},
    }
    request = urllib.request.Request(f"{bedrock.endpoint_url}/_fake/rules", json.dumps(rules).encode())
    urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()
    send_prompt(modelId=PROFILE, **guardrail("def456"))
    assert bedrock.calls[-1].model_id == "acme.plain"
    assert error_of(send_prompt, region="us-west-2")[0] == "UnrecognizedClientException"
    bedrock.reset()
    send_prompt(region="us-west-2", **guardrail("def456"))


@pytest.mark.parametrize(
    ("add", "named"),
    [
        (lambda b: b.add_resource("acme.talk-v1:0"), "arn"),
        (lambda b: b.add_resource(PROFILE, text="Hi"), "text is allowed only for the ARN of a prompt"),
        (lambda b: b.add_guardrail("My Guardrail"), "identifier"),
        (lambda b: b.add_guardrail("def456", versions="1"), "versions"),
    ],
)
def test_an_invalid_resource_is_rejected_by_field(bedrock: FakeBedrock, add: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        add(bedrock)
