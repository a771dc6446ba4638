"""Which models and regions there are, and what a manager tells of them."""

from __future__ import annotations

import pytest

from llmmanager import ConfigurationError, LLMManager, UnifiedModelManager

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
NAMES = {
    "Claude 3 Haiku": HAIKU,
    "Claude 3 Sonnet": "anthropic.claude-3-sonnet-20240229-v1:0",
    "Claude 3 Opus": "anthropic.claude-3-opus-20240229-v1:0",
    "Claude 3.5 Sonnet": "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "Nova Micro": "amazon.nova-micro-v1:0",
    "Nova Lite": "amazon.nova-lite-v1:0",
    "Nova Pro": "amazon.nova-pro-v1:0",
}
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1")


@pytest.mark.parametrize("name", NAMES)
def test_every_documented_model_name_is_that_model(name: str) -> None:
    assert UnifiedModelManager().resolve(name).model_id == NAMES[name]


@pytest.mark.parametrize("name", ["Claude 3 Haiku", "Claude 3 Sonnet", "Claude 3.5 Sonnet"])
def test_a_model_that_aws_keeps_elsewhere_says_where(fake_bedrock, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}.* can be called in .*ap-south-1"):
        LLMManager([name], ["us-east-1"])


def test_a_model_that_aws_has_retired_says_so(fake_bedrock) -> None:
    with pytest.raises(ConfigurationError, match=r"Claude 3 Opus.* is retired"):
        LLMManager(["Claude 3 Opus"], ["us-east-1"])


@pytest.mark.parametrize("name", ["Nova Micro", "Nova Lite", "Nova Pro"])
def test_a_nova_model_answers_by_its_name(fake_bedrock, messages, name: str) -> None:
    manager = LLMManager([name], ["us-east-1"])
    assert manager.converse(messages).model_used == NAMES[name]
    manager.close()


def test_every_documented_region_can_be_asked(fake_bedrock, messages) -> None:
    for region in REGIONS:
        manager = LLMManager(["Nova Lite"], [region])
        assert manager.converse(messages).region_used == region
        manager.close()
    assert [call.region for call in fake_bedrock.calls] == list(REGIONS)


def test_the_access_of_a_model_is_returned_where_it_is_offered(snippets, claude_3_offered, capsys) -> None:
    manager = LLMManager(["Claude 3 Haiku"], ["us-east-1", "us-west-2"])
    snippets.run("26-model-access", {"manager": manager})
    manager.close()
    assert capsys.readouterr().out.splitlines() == [
        f"Model ID: {HAIKU}",
        "Access method: on_demand",
        "Region: us-east-1",
        "Configuration valid with 2 model/region combinations",
    ]


def test_a_model_that_is_not_in_the_region_is_reported_as_such(snippets, manager, capsys) -> None:
    snippets.run("26-model-access", {"manager": manager})
    assert capsys.readouterr().out.splitlines() == [
        "Model not available in this region",
        "Configuration valid with 4 model/region combinations",
    ]


def test_a_configuration_without_credentials_is_reported_with_its_errors(
    snippets, manager, monkeypatch, capsys
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    snippets.run("26-model-access", {"manager": manager})
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Configuration errors: [")
    assert "credentials" in last


def test_a_shared_model_manager_answers_for_its_managers(fake_bedrock, messages) -> None:
    shared = UnifiedModelManager(regions=["us-east-1"])
    manager = LLMManager(["Nova Lite"], ["us-east-1"], unified_model_manager=shared)
    assert manager.converse(messages).success
    assert manager.get_model_access_info("Nova Lite", "us-east-1") == shared.get_model_access_info(
        "Nova Lite", "us-east-1"
    )
    manager.close()
