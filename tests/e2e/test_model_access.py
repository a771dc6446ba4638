"""The scheduled refresh of the model catalog."""

from __future__ import annotations

import pytest

from llmmanager.testing import FakeBedrock, Fault
from local.deployed_stack import Stack
from local.model_catalog import catalog_regions, refresh

pytestmark = pytest.mark.e2e

REGIONS = ["eu-central-1", "us-east-1", "us-west-2"]


def test_a_refresh_fills_the_table_for_every_region(stack: Stack, bedrock: FakeBedrock) -> None:
    output = refresh(stack)
    assert sorted(item["region"] for item in output) == REGIONS
    assert all(item["models"] > 0 for item in output)
    assert sorted(catalog_regions(stack)) == REGIONS
    assert {call.operation for call in bedrock.calls} == {
        "ListFoundationModels",
        "ListInferenceProfiles",
        "ListServiceQuotas",
    }


def test_a_refresh_stores_quotas_and_the_api_reports_them(stack: Stack, bedrock: FakeBedrock) -> None:
    bedrock.set_quota(tokens_per_minute=50_000, region="us-east-1", access="on_demand")
    refresh(stack)
    bedrock.clear_quotas()
    regions = stack.api.get("/v1/models/Nova%20Lite/access").expect(200)["regions"]
    assert regions["us-east-1"]["quotas"]["on_demand"]["tokensPerMinute"] == 50_000
    refresh(stack)
    regions = stack.api.get("/v1/models/Nova%20Lite/access").expect(200)["regions"]
    assert regions["us-east-1"]["quotas"]["on_demand"] is None


def test_a_failed_region_keeps_its_catalog_and_does_not_stop_the_others(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    refresh(stack)
    bedrock.add_fault(
        Fault(error="AccessDeniedException", region="us-west-2", operation="ListFoundationModels")
    )
    output = {item["region"]: item for item in refresh(stack)}
    assert sorted(output) == REGIONS
    assert "error" in output["us-west-2"]
    assert [region for region in REGIONS if "error" not in output[region]] == ["eu-central-1", "us-east-1"]
    assert sorted(catalog_regions(stack)) == REGIONS


def test_the_schedule_starts_the_refresh_machine(stack: Stack) -> None:
    scheduler = stack.client("scheduler")
    (summary,) = scheduler.list_schedules()["Schedules"]
    schedule = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
    assert schedule["ScheduleExpression"] == "rate(6 hours)"
    assert schedule["Target"]["Arn"] == stack.refresh_machine_arn
