"""How long quotas make a batch, as its plan estimates it."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.batch.storage import BatchStorage
from lambdas.http_api.handler import handler as http
from lambdas.model_access.refresh import handler as refresh

REGIONS = ("us-east-1", "us-west-2", "eu-central-1")


@pytest.fixture
def plan(deployed, context, machine, records):
    """Plan a batch of 100 records under quotas of Nova Lite, and return its estimate."""

    def planned(count=100, *, max_tokens=1_000, **options):
        for region in REGIONS:
            refresh({"region": region}, context)
        batch = records(count)
        for record in batch:
            record["modelInput"]["inferenceConfig"] = {"maxTokens": max_tokens}
        machine.plan({"inputS3Uri": machine.put(batch), **options})
        return machine.planned["quotaEstimate"]

    return planned


def test_the_plan_adds_up_the_quotas_of_all_targets_of_the_first_model(deployed, plan):
    deployed.set_quota(tokens_per_minute=10_000)
    deployed.set_quota(tokens_per_minute=1, model="amazon.nova-micro-v1:0")
    lite = [target for region in REGIONS for target in access(region)]

    found = plan()

    assert found["tokensPerMinute"] == pytest.approx(0.9 * 10_000 * len(lite))
    assert (found["requestsPerMinute"], found["warning"]) == (None, None)
    assert found["atLeastSeconds"] == 0
    # 100 records of 1,000 tokens of output and some 30 of input.
    assert found["atMostSeconds"] == pytest.approx(60 * 100 * 1_030 / found["tokensPerMinute"], rel=0.02)


def access(region):
    from lambdas.shared.manager import catalog

    return catalog().access("Nova Lite", region)


def test_the_estimate_leaves_out_what_is_for_single_requests(deployed, plan, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_SINGLE_REQUEST_SHARE", "0.5")
    deployed.set_quota(tokens_per_minute=10_000)

    found = plan(regions=["us-east-1"])

    assert found["tokensPerMinute"] == 0.5 * 10_000 * len(access("us-east-1"))


def test_requests_count_where_they_take_longer(deployed, plan):
    deployed.set_quota(tokens_per_minute=1_000_000, requests_per_minute=10)

    found = plan(regions=["us-east-1"])

    methods = len(access("us-east-1"))
    assert found["requestsPerMinute"] == pytest.approx(9 * methods)
    assert found["atMostSeconds"] == pytest.approx(60 * 100 / (9 * methods), abs=1)
    # AWS may list requests that it does not enforce.
    assert found["atLeastSeconds"] == 0


def test_one_unknown_quota_makes_the_estimate_unknown(deployed, plan):
    deployed.set_quota(tokens_per_minute=10_000, region="us-east-1")

    assert plan() is None
    assert plan(regions=["us-east-1"], batchId="another")["tokensPerMinute"] > 0


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(60, "the deadline cannot be met"), (1_200, "the deadline may not be met"), (30_000, None)],
)
def test_a_deadline_that_the_quotas_do_not_allow_is_warned_of(deployed, plan, caplog, seconds, says):
    deployed.set_quota(tokens_per_minute=1_000)

    found = plan(regions=["us-east-1"], deadlineSeconds=seconds, count=400)

    assert 60 < found["atLeastSeconds"] < 1_200 < found["atMostSeconds"] < 30_000
    if says is None:
        assert found["warning"] is None
    else:
        assert found["warning"].startswith("deadlineSeconds: the batch has ")
        assert found["warning"].endswith(says)
        assert found["warning"] in caplog.messages


def test_the_status_of_a_batch_reports_the_estimate(deployed, plan, context, proxy_event, machine):
    deployed.set_quota(tokens_per_minute=10_000)
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=STATE_MACHINE, name="batch-1", input=json.dumps({"batchId": "batch-1"})
    )
    found = plan()

    status = json.loads(http(proxy_event("GET", "/v1/batches/batch-1"), context)["body"])

    assert status["quotaEstimate"] == found
    assert BatchStorage("batches-of-the-test", "batch-1").plan().quota_estimate == found


STATE_MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Batch"
