"""Parsing the names of quotas in Service Quotas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, AccessQuota, RegionCatalog
from llmmanager.bedrock.catalog.service_quotas import parse_quota_name, read_quotas
from llmmanager.bedrock.catalog.snapshot import load_snapshot

ON_DEMAND = "On-demand model inference tokens per minute for "
GEOGRAPHIC = "Cross-region model inference tokens per minute for "
GLOBAL = "Global cross-region model inference tokens per minute for "


@pytest.fixture(scope="module")
def everywhere() -> RegionCatalog:
    """Return a region with all models of the snapshot."""
    entries = {}
    for region in load_snapshot().values():
        entries |= region.entries
    return RegionCatalog("us-east-1", entries)


def only_quota(name: str, offered: RegionCatalog, value: object = 1_000.0) -> tuple[str, str] | None:
    """Return the model id and access method that a quota of this name is for."""
    quotas = read_quotas([{"QuotaName": name, "Value": value}], offered)
    found = [(model_id, method) for model_id, methods in quotas.items() for method in methods]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("name", "model_id", "method"),
    [
        (ON_DEMAND + "Amazon Nova Lite", "amazon.nova-lite-v1:0", "on_demand"),
        (ON_DEMAND + "Amazon Nova Micro", "amazon.nova-micro-v1:0", "on_demand"),
        (ON_DEMAND + "AI21 Labs Jamba 1.5 Large", "ai21.jamba-1-5-large-v1:0", "on_demand"),
        (ON_DEMAND + "Meta Llama 3 8B Instruct", "meta.llama3-8b-instruct-v1:0", "on_demand"),
        (ON_DEMAND + "Mistral AI Mistral 7B Instruct", "mistral.mistral-7b-instruct-v0:2", "on_demand"),
        (ON_DEMAND + "Mistral Large 3", "mistral.mistral-large-3-675b-instruct", "on_demand"),
        (ON_DEMAND + "Ministral 14B 3.0", "mistral.ministral-3-14b-instruct", "on_demand"),
        (ON_DEMAND + "Moonshot AI Kimi K2.5", "moonshotai.kimi-k2.5", "on_demand"),
        (ON_DEMAND + "OpenAI GPT OSS 20B", "openai.gpt-oss-20b-1:0", "on_demand"),
        (ON_DEMAND + "OpenAI GPT OSS 120B", "openai.gpt-oss-120b-1:0", "on_demand"),
        (ON_DEMAND + "Qwen3 32B V1", "qwen.qwen3-32b-v1:0", "on_demand"),
        (ON_DEMAND + "Qwen3 235B a22b 2507 V1", "qwen.qwen3-235b-a22b-2507-v1:0", "on_demand"),
        (ON_DEMAND + "Qwen3 Coder 30B a3b V1", "qwen.qwen3-coder-30b-a3b-v1:0", "on_demand"),
        (GEOGRAPHIC + "Amazon Nova Pro", "amazon.nova-pro-v1:0", "geographic_profile"),
        (GEOGRAPHIC + "Amazon Nova 2 Lite", "amazon.nova-2-lite-v1:0", "geographic_profile"),
        (
            GEOGRAPHIC + "Anthropic Claude 3.5 Sonnet",
            "anthropic.claude-3-5-sonnet-20240620-v1:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC.replace("region", "Region") + "Anthropic Claude 3.5 Sonnet V2",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC + "Anthropic Claude 3.7 Sonnet V1",
            "anthropic.claude-3-7-sonnet-20250219-v1:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC + "Anthropic Claude Sonnet 4 V1",
            "anthropic.claude-sonnet-4-20250514-v1:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC + "Anthropic Claude Haiku 4.5",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "geographic_profile",
        ),
        (GEOGRAPHIC + "Anthropic Claude Fable 5", "anthropic.claude-fable-5", "geographic_profile"),
        (GEOGRAPHIC + "Anthropic Claude Fable 5.1", "anthropic.claude-fable-5-1", "geographic_profile"),
        (GEOGRAPHIC + "DeepSeek R1 V1", "deepseek.r1-v1:0", "geographic_profile"),
        (
            GEOGRAPHIC + "Meta Llama 3.3 70B Instruct",
            "meta.llama3-3-70b-instruct-v1:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC + "Meta Llama 4 Scout V1",
            "meta.llama4-scout-17b-instruct-v1:0",
            "geographic_profile",
        ),
        (
            GEOGRAPHIC + "Mistral Pixtral Large 25.02 V1",
            "mistral.pixtral-large-2502-v1:0",
            "geographic_profile",
        ),
        (GLOBAL + "Amazon Nova 2 Lite", "amazon.nova-2-lite-v1:0", "global_profile"),
        (
            GLOBAL + "Anthropic Claude Sonnet 4.5 V1",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "global_profile",
        ),
        (GLOBAL + "Anthropic Claude Opus 4.6 V1", "anthropic.claude-opus-4-6-v1", "global_profile"),
        (GLOBAL + "Anthropic Claude Opus 5", "anthropic.claude-opus-5", "global_profile"),
        (GLOBAL + "GPT-6 Sol", "openai.gpt-6-sol", "global_profile"),
        (
            "On-demand InvokeModel tokens per minute for Anthropic Claude 3 Haiku",
            "anthropic.claude-3-haiku-20240307-v1:0",
            "on_demand",
        ),
    ],
)
def test_a_quota_name_of_aws_is_parsed(
    everywhere: RegionCatalog, name: str, model_id: str, method: str
) -> None:
    assert only_quota(name, everywhere) == (model_id, method)
    quota = read_quotas([{"QuotaName": name.replace("tokens", "requests"), "Value": 7.0}], everywhere)
    assert quota == {model_id: {method: AccessQuota(requests_per_minute=7.0)}}


@pytest.mark.parametrize(
    "name",
    [
        # Other quotas of a known model.
        GEOGRAPHIC + "Anthropic Claude Sonnet 4.5 V1 1M Context Length",
        "On-demand, latency-optimized model inference tokens per minute for Amazon Nova Pro V1",
        "On-demand latency-optimized model inference tokens per minute for Amazon Nova Pro",
        "On-demand model inference input tokens per minute for Anthropic Claude Opus 5",
        "[bedrock-mantle endpoint] Output tokens per minute for Claude Opus 4.8",
        "Model invocation max tokens per day for Amazon Nova Lite (doubled for cross-region calls)",
        "Global cross-region model inference tokens per day for Amazon Nova 2 Lite",
        "On-demand InvokeModel concurrent requests for Amazon Nova 2 Sonic",
        "Model units per provisioned model for Amazon Nova Pro",
        "Batch inference job size (in GB) for Nova Lite V1",
        "Records per batch inference job for Claude 3 Haiku",
        # For which access method?
        "InvokeModel requests per minute for Anthropic Claude 3 Haiku",
        # Unknown models, one of them misspelled by AWS.
        ON_DEMAND + "Amazon Titan Text Embeddings V2",
        ON_DEMAND + "Mistral AI Mixtral 8X7BB Instruct",
        ON_DEMAND + "Cohere Command R Plus",
        GEOGRAPHIC + "Twelve Labs Marengo",
        # A known model's name with the provider of another, or with more before or after it.
        ON_DEMAND + "Meta Nova Lite",
        ON_DEMAND + "Amazon Nova Lite V2",
        ON_DEMAND + "Amazon Nova",
        "Regional " + ON_DEMAND + "Amazon Nova Lite",
        "(Guardrails) On-demand ApplyGuardrail requests per second",
        "APIs per Agent",
        "",
    ],
)
def test_an_ambiguous_or_unrelated_quota_name_is_ignored(everywhere: RegionCatalog, name: str) -> None:
    assert only_quota(name, everywhere) is None


@pytest.mark.parametrize("value", [None, 0, 0.0, -1, float("inf"), "1000"])
def test_an_invalid_or_zero_amount_is_ignored(everywhere: RegionCatalog, value: object) -> None:
    assert only_quota(ON_DEMAND + "Amazon Nova Lite", everywhere, value) is None


def test_tokens_and_requests_of_one_access_method_are_one_quota(everywhere: RegionCatalog) -> None:
    rows = [
        {"QuotaName": ON_DEMAND + "Amazon Nova Lite", "Value": 4_000_000.0},
        {"QuotaName": ON_DEMAND.replace("tokens", "requests") + "Amazon Nova Lite", "Value": 2_000.0},
    ]
    quota = AccessQuota(4_000_000.0, 2_000.0)
    assert read_quotas(rows, everywhere) == {"amazon.nova-lite-v1:0": {AccessMethod.ON_DEMAND: quota}}


@pytest.mark.parametrize(("second", "known"), [(1_000.0, True), (2_000.0, False)])
def test_two_names_of_one_quota_are_used_only_with_equal_values(
    everywhere: RegionCatalog, second: float, known: bool
) -> None:
    rows = [
        {"QuotaName": GEOGRAPHIC + "Anthropic Claude Sonnet 4", "Value": 1_000.0},
        {"QuotaName": GEOGRAPHIC + "Anthropic Claude Sonnet 4 V1", "Value": second},
    ]
    assert bool(read_quotas(rows, everywhere)) is known


def test_a_model_that_is_not_in_the_region_has_no_quota(everywhere: RegionCatalog) -> None:
    elsewhere = RegionCatalog(
        "us-east-1", {"amazon.nova-pro-v1:0": everywhere.entries["amazon.nova-pro-v1:0"]}
    )
    assert only_quota(ON_DEMAND + "Amazon Nova Lite", elsewhere) is None


@given(name=st.text() | st.builds(lambda model: ON_DEMAND + model, st.text()))
def test_any_text_is_parsed_or_ignored(name: str) -> None:
    parsed = parse_quota_name(name)
    assert parsed is None or (parsed.model and parsed.model in " ".join(name.split()))
