"""The refresh of the catalog for one region."""

from __future__ import annotations

import json

import pytest

from lambdas.http_api.handler import handler as http
from lambdas.model_access.refresh import handler as refresh
from llmmanager.bedrock.catalog.catalog_entries import AccessQuota
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.testing import Fault


def test_the_models_of_bedrock_are_stored_and_returned_by_the_api(deployed, context, proxy_event):
    outcome = refresh({"region": "us-west-2"}, context)

    stored = DynamoDBStore("catalog-of-the-test").load("us-west-2")
    assert outcome["region"] == "us-west-2"
    assert outcome["models"] == len(stored.entries) > 0
    assert (outcome["version"], outcome["stored"]) == (stored.version, True)
    response = json.loads(http(proxy_event("GET", "/v1/models"), context)["body"])
    assert response["refreshedAt"] == {
        "us-east-1": None,
        "us-west-2": outcome["refreshedAt"],
        "eu-central-1": None,
    }


def test_a_region_that_fails_raises_and_keeps_the_stored_models(deployed, context):
    refresh({"region": "us-east-1"}, context)
    known = DynamoDBStore("catalog-of-the-test").load("us-east-1")
    deployed.add_fault(Fault(operation="ListFoundationModels", error="AccessDeniedException"))

    with pytest.raises(Exception, match="AccessDenied"):
        refresh({"region": "us-east-1"}, context)

    assert DynamoDBStore("catalog-of-the-test").load("us-east-1") == known


@pytest.mark.parametrize("event", [{}, {"region": None}, {"region": ""}, {"region": 7}])
def test_an_event_without_a_region_is_rejected(deployed, context, event):
    with pytest.raises(ValueError, match="region: must be"):
        refresh(event, context)


def logged_age(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "CatalogAgeSeconds" in line]
    assert line["Region"] == "us-east-1"
    return line["CatalogAgeSeconds"]


def test_a_refresh_reports_the_age_of_the_catalog(deployed, context, capsys):
    refresh({"region": "us-east-1"}, context)

    assert logged_age(capsys) < 60


def test_a_failed_first_refresh_reports_an_age_since_1970(deployed, context, capsys):
    deployed.add_fault(Fault(operation="ListFoundationModels", error="AccessDeniedException"))

    with pytest.raises(Exception, match="AccessDenied"):
        refresh({"region": "us-east-1"}, context)

    assert logged_age(capsys) > 365 * 86400


NOVA_LITE = "amazon.nova-lite-v1:0"


def stored_quota():
    region = DynamoDBStore("catalog-of-the-test").load("us-east-1")
    return region.quota(NOVA_LITE, "on_demand")


def test_a_refresh_stores_the_quotas_of_the_account(deployed, context):
    deployed.set_quota(tokens_per_minute=4_000, requests_per_minute=20)

    outcome = refresh({"region": "us-east-1"}, context)

    assert stored_quota() == AccessQuota(4_000, 20)
    assert outcome["modelsWithQuotas"] > 10


def test_quotas_follow_what_service_quotas_lists(deployed, context):
    for tokens in (4_000, 8_000):
        deployed.set_quota(tokens_per_minute=tokens)
        refresh({"region": "us-east-1"}, context)
        assert stored_quota() == AccessQuota(tokens, None)
    deployed.clear_quotas()
    refresh({"region": "us-east-1"}, context)

    assert stored_quota() is None


@pytest.mark.parametrize("error", ["AccessDeniedException", "ServiceUnavailableException"])
def test_models_are_refreshed_and_quotas_stay_when_service_quotas_fails(
    deployed, context, caplog, error, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    deployed.set_quota(tokens_per_minute=4_000)
    before = refresh({"region": "us-east-1"}, context)
    deployed.add_fault(Fault(operation="ListServiceQuotas", error=error))

    after = refresh({"region": "us-east-1"}, context)

    assert after["version"] > before["version"]
    assert after["stored"]
    assert stored_quota() == AccessQuota(4_000, None)
    (record,) = [record for record in caplog.records if record.message == "quotas not refreshed"]
    assert (record.levelname, record.region) == ("WARNING", "us-east-1")
    assert error in record.error


def test_without_permission_for_service_quotas_no_quota_is_stored(deployed, context):
    deployed.add_fault(Fault(operation="ListServiceQuotas", error="AccessDeniedException"))

    outcome = refresh({"region": "us-east-1"}, context)

    assert (outcome["stored"], outcome["modelsWithQuotas"]) == (True, 0)
    assert DynamoDBStore("catalog-of-the-test").load("us-east-1").quotas is None


ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/team"


@pytest.fixture
def with_profile(deployed, cold_start, monkeypatch):
    """The stack with an application inference profile among its models."""
    monkeypatch.setenv("LLMMANAGER_MODELS", json.dumps([ARN, "Nova Lite"]))
    deployed.add_resource(ARN, model="us.amazon.nova-pro-v1:0")
    cold_start()
    return deployed


def test_a_refresh_stores_the_configured_profiles_so_that_other_functions_do_not_read_them(
    with_profile, context, proxy_event, cold_start
):
    for region in ("us-west-2", "us-east-1", "us-east-1"):
        refresh({"region": region}, context)
    assert [call.operation for call in with_profile.calls].count("GetInferenceProfile") == 1
    with_profile.reset()
    cold_start()

    answer = http(proxy_event("POST", "/v1/converse", {"messages": "Hello", "models": [ARN]}), context)

    body = json.loads(answer["body"])
    assert body["model"] == "amazon.nova-pro-v1:0"
    assert (body["inferenceProfileId"], body["warnings"]) == (ARN, [])
    assert body["estimatedCostUsd"] > 0
    assert [call.operation for call in with_profile.calls] == ["Converse"]


def test_a_profile_that_cannot_be_read_does_not_stop_the_refresh(with_profile, context):
    with_profile.add_fault(Fault(operation="GetInferenceProfile", error="AccessDeniedException"))

    assert refresh({"region": "us-east-1"}, context)["stored"] is True


def test_before_the_first_refresh_a_function_reads_the_profile_itself(with_profile, context, proxy_event):
    answer = http(proxy_event("POST", "/v1/converse", {"messages": "Hello", "models": [ARN]}), context)

    assert json.loads(answer["body"])["model"] == "amazon.nova-pro-v1:0"
