"""ListServiceQuotas: the quotas that were set, over Service Quotas' own protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog, Fault


@pytest.fixture
def service_quotas(bedrock: FakeBedrock) -> Any:
    return bedrock.client("service-quotas")


def listed(client: Any) -> dict[str, float]:
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="bedrock")
    return {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}


def test_without_a_quota_nothing_is_listed(service_quotas: Any) -> None:
    assert service_quotas.list_service_quotas(ServiceCode="bedrock")["Quotas"] == []


def test_a_quota_is_listed_for_each_access_method_that_it_covers(
    bedrock: FakeBedrock, service_quotas: Any
) -> None:
    bedrock.set_quota(model="acme.talk-v1:0", tokens_per_minute=4_000, requests_per_minute=20)
    bedrock.set_quota(model="acme.talk-v1:0", access="global", tokens_per_minute=9_000)
    bedrock.set_quota(model="acme.plain", region="us-west-2", tokens_per_minute=7)
    assert listed(service_quotas) == {
        "On-demand model inference tokens per minute for Talk": 4_000,
        "On-demand model inference requests per minute for Talk": 20,
        "Cross-region model inference tokens per minute for Talk": 4_000,
        "Cross-region model inference requests per minute for Talk": 20,
        "Global cross-region model inference tokens per minute for Talk": 9_000,
        "Global cross-region model inference requests per minute for Talk": 20,
    }
    assert "On-demand model inference tokens per minute for Plain" in listed(
        bedrock.client("service-quotas", region="us-west-2")
    )


def test_a_daily_quota_is_listed(bedrock: FakeBedrock, service_quotas: Any) -> None:
    bedrock.set_quota(model="acme.plain", tokens_per_day=5_000)
    assert listed(service_quotas) == {
        "Model invocation max tokens per day for Plain (doubled for cross-region calls)": 5_000
    }


def test_quota_names_contain_the_model_names_of_aws() -> None:
    with FakeBedrock() as bedrock:
        bedrock.set_quota(tokens_per_minute=1_000)
        names = set(listed(bedrock.client("service-quotas")))
    assert {
        "On-demand model inference tokens per minute for Amazon Nova Lite",
        "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1",
        "Global cross-region model inference tokens per minute for Anthropic Claude Haiku 4.5",
        "Cross-region model inference tokens per minute for Meta Llama 4 Scout V1",
        "On-demand model inference tokens per minute for OpenAI GPT OSS 120B",
    } <= names


def test_the_page_size_is_limited_to_the_requested_one(catalog: FakeCatalog) -> None:
    with FakeBedrock(catalog, page_size=3) as bedrock:
        bedrock.set_quota(tokens_per_minute=1_000)
        client = bedrock.client("service-quotas")
        first = client.list_service_quotas(ServiceCode="bedrock")
        assert len(first["Quotas"]) == 3
        second = client.list_service_quotas(ServiceCode="bedrock", MaxResults=1, NextToken=first["NextToken"])
        assert len(second["Quotas"]) == 1
        assert second["Quotas"][0] not in first["Quotas"]
        assert len(listed(client)) == 12


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"ServiceCode": "bedrok"}, "NoSuchResourceException"),
        ({"ServiceCode": "bedrock", "NextToken": "none"}, "InvalidPaginationTokenException"),
        (
            {"ServiceCode": "bedrock", "MaxResults": 100, "NextToken": "cXVvdGE6OTk="},
            "InvalidPaginationToken",
        ),
    ],
)
def test_invalid_arguments_are_rejected(
    service_quotas: Any, error_of: Callable[..., Any], arguments: dict[str, Any], code: str
) -> None:
    found, status, _ = error_of(service_quotas.list_service_quotas, **arguments)
    assert found.startswith(code)
    assert status == 400


def test_a_fault_can_deny_the_listing(
    bedrock: FakeBedrock, service_quotas: Any, error_of: Callable[..., Any]
) -> None:
    bedrock.add_fault(Fault(operation="ListServiceQuotas", error="AccessDeniedException"))
    code, _, _ = error_of(service_quotas.list_service_quotas, ServiceCode="bedrock")
    assert code == "AccessDeniedException"
    assert [call.operation for call in bedrock.calls] == ["ListServiceQuotas"]


def test_the_environment_points_boto3_to_it(bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bedrock.environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.Session().client("service-quotas")
    assert client.list_service_quotas(ServiceCode="bedrock")["Quotas"] == []
    client.close()
