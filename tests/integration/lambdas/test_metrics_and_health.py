"""What the doors leave in the log for CloudWatch, and what one process tells the next through the table."""

from __future__ import annotations

import json
import socket

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from lambdas.http_api.handler import handler as http
from lambdas.shared import health
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.testing import Fault
from tests.waiting import PATIENCE_SECONDS

QUESTION = {"messages": [{"role": "user", "content": [{"text": "A question that nobody else reads?"}]}]}


def metric_lines(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_an_answer_over_http_is_counted_for_its_caller(deployed, context, proxy_event, capsys):
    event = proxy_event("POST", "/v1/converse", QUESTION)
    event["requestContext"]["identity"] = {"userArn": "arn:aws:iam::123456789012:user/ada"}

    assert http(event, context)["statusCode"] == 200

    (line,) = metric_lines(capsys)
    assert (line["door"], line["caller"]) == ("http", "arn:aws:iam::123456789012:user/ada")
    assert (line["Requests"], line["Attempts"], line["Region"]) == (1, 1, "us-east-1")
    assert line["InputTokens"] > 0


def test_a_shard_is_counted_by_target_and_not_by_record(machine, records, capsys):
    machine.run({"requests": records(40)})

    lines = metric_lines(capsys)
    assert sum(line["Requests"] for line in lines) == 40
    assert {line["door"] for line in lines} == {"batch"}
    assert len(lines) == len({(line["Model"], line["Region"]) for line in lines})


def test_no_prompt_reaches_the_log(deployed, context, proxy_event, capfd):
    http(proxy_event("POST", "/v1/converse", QUESTION), context)
    printed = capfd.readouterr()
    assert "nobody else reads" not in printed.out + printed.err


def test_a_worker_in_a_new_process_starts_where_another_has_found_a_region_healthy(
    deployed, machine, records, cold_start
):
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"):
        health.HealthBoard("catalog-of-the-test").publish((model, "us-east-1"), 4_000_000_000)
    cold_start()

    machine.run({"requests": records(5), "regions": ["us-east-1", "us-west-2"]})

    assert {call.region for call in deployed.calls} == {"us-west-2"}


def test_work_that_goes_well_leaves_nothing_about_health_in_the_table(machine, records):
    machine.run({"requests": records(20)})
    items = boto3.client("dynamodb").scan(TableName="catalog-of-the-test")["Items"]
    assert [item for item in items if item["pk"]["S"] == "health"] == []


def test_a_daily_quota_that_is_used_up_is_told_to_the_others(deployed, machine, records):
    deployed.add_fault(
        Fault(
            operation="Converse",
            region="us-east-1",
            error="ThrottlingException",
            message="Too many tokens per day, please wait before trying again.",
        )
    )
    told = health.cooldowns()
    told._in_background = lambda work: work()

    machine.run({"requests": records(3), "regions": ["us-east-1", "us-west-2"]})

    found = health.HealthBoard("catalog-of-the-test").read()
    assert found
    assert {region for _, region in found} == {"us-east-1"}


def test_a_call_that_finds_every_target_cooling_is_counted_and_answered(
    deployed, context, proxy_event, capsys
):
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"):
        for region in ("us-east-1", "us-west-2", "eu-central-1"):
            health.cooldowns().failed((model, region), Decision(Next.OTHER_REGION, Kind.QUOTA))

    assert http(proxy_event("POST", "/v1/converse", QUESTION), context)["statusCode"] == 200
    assert http(proxy_event("POST", "/v1/converse", QUESTION), context)["statusCode"] == 200

    (line,) = [line for line in metric_lines(capsys) if "AllTargetsCooling" in line]
    # The first answer has shown that a target is well again.
    assert (line["AllTargetsCooling"], line["door"]) == (1, "http")
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


@pytest.mark.parametrize("door", ["http", "events"])
def test_answers_on_a_healthy_warm_path_neither_read_nor_write_about_health(
    deployed, context, proxy_event, monkeypatch, door
):
    from lambdas.shared.question import ask, read_question

    http(proxy_event("POST", "/v1/converse", QUESTION), context)
    asked = []
    original = BaseClient._make_api_call

    def counted(self, operation, parameters):
        if self.meta.service_model.service_name == "dynamodb":
            asked.append(operation)
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    for _ in range(20):
        if door == "http":
            assert http(proxy_event("POST", "/v1/converse", QUESTION), context)["statusCode"] == 200
        else:
            assert ask(read_question(QUESTION), seconds=20, door="events", caller=None)["text"]

    assert asked == []


def test_a_table_that_fails_costs_no_answer(deployed, context, proxy_event, monkeypatch):
    asked = []
    original = BaseClient._make_api_call

    def refused(self, operation, parameters):
        if self.meta.service_model.service_name != "dynamodb":
            return original(self, operation, parameters)
        asked.append(operation)
        raise EndpointConnectionError(endpoint_url="dynamodb")

    http(proxy_event("POST", "/v1/converse", QUESTION), context)
    monkeypatch.setattr(BaseClient, "_make_api_call", refused)
    health.cooldowns()._in_background = lambda work: work()
    deployed.add_fault(
        Fault(region="us-east-1", error="ThrottlingException", message="Too many tokens per day")
    )

    for _ in range(5):
        assert http(proxy_event("POST", "/v1/converse", QUESTION), context)["statusCode"] == 200

    assert set(asked) == {"PutItem", "Query"}


def test_an_answer_after_a_throttle_is_two_subsegments_for_x_ray(deployed, context, proxy_event, monkeypatch):
    deployed.add_fault(Fault(region="us-east-1", error="ThrottlingException"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-67000000-0123456789abcdef01234567;Parent=53;Sampled=1")
        assert http(proxy_event("POST", "/v1/converse", QUESTION), context)["statusCode"] == 200
        told = [json.loads(daemon.recv(65_536).partition(b"\n")[2]) for _ in range(2)]

    assert [(one["annotations"]["region"], one.get("throttle")) for one in told] == [
        ("us-east-1", True),
        ("us-west-2", None),
    ]
    assert "nobody else reads" not in json.dumps(told)
