"""Metrics in the log, cooldowns in the table, and traces, as the deployed functions write them."""

from __future__ import annotations

import json
import socket

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from infra.stack_cost import request
from lambdas.http_api.handler import handler as http
from lambdas.shared import shared_cooldowns
from lambdas.usage.caller import Caller
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.testing import Fault
from tests.clock import manual_outage_clock
from tests.waiting import PATIENCE_SECONDS

REQUEST = {"messages": [{"role": "user", "content": [{"text": "A question that is not logged?"}]}]}


def metric_lines(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_an_answer_over_http_is_counted_with_its_caller(deployed, context, proxy_event, capsys):
    event = proxy_event("POST", "/v1/converse", REQUEST)
    event["requestContext"]["identity"] = {"userArn": "arn:aws:iam::123456789012:user/ada"}

    assert http(event, context)["statusCode"] == 200

    (line,) = metric_lines(capsys)
    assert (line["door"], line["caller"]) == ("http", "arn:aws:iam::123456789012:user/ada")
    assert (line["Requests"], line["Attempts"], line["Region"]) == (1, 1, "us-east-1")
    assert line["InputTokens"] > 0


def test_a_request_writes_the_metrics_and_logs_that_its_cost_includes(deployed, context, proxy_event, capsys):
    event = proxy_event("POST", "/v1/converse", REQUEST)
    event["requestContext"]["identity"] = {"userArn": f"arn:aws:sts::123456789012:assumed-role/{'r' * 64}/s"}
    http(event, context)
    printed = capsys.readouterr().out

    (metrics,) = json.loads(printed)["_aws"]["CloudWatchMetrics"]
    assert metrics["Dimensions"] == [[], ["Model", "Region"]]
    assert len(metrics["Metrics"]) == request.METRICS
    assert len(printed) <= request.FUNCTION_LOG_BYTES


def test_a_shard_writes_metrics_by_target_and_not_by_record(machine, records, capsys):
    machine.run({"requests": records(40)})

    lines = metric_lines(capsys)
    assert sum(line["Requests"] for line in lines) == 40
    assert {line["door"] for line in lines} == {"batch"}
    assert len(lines) == len({(line["Model"], line["Region"]) for line in lines})


def test_prompts_are_not_logged(deployed, context, proxy_event, capfd):
    http(proxy_event("POST", "/v1/converse", REQUEST), context)
    printed = capfd.readouterr()
    assert "is not logged" not in printed.out + printed.err


def test_a_worker_in_a_new_process_avoids_the_targets_that_another_one_reported(
    deployed, machine, records, cold_start
):
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"):
        shared_cooldowns.SharedCooldownStore("catalog-of-the-test").publish(
            (model, "us-east-1"), 4_000_000_000
        )
    cold_start()

    machine.run({"requests": records(5), "regions": ["us-east-1", "us-west-2"]})

    assert {call.region for call in deployed.calls} == {"us-west-2"}


def test_successful_calls_write_no_cooldowns(machine, records):
    machine.run({"requests": records(20)})
    items = boto3.client("dynamodb").scan(TableName="catalog-of-the-test")["Items"]
    assert [item for item in items if item["pk"]["S"] == "health"] == []


def test_a_used_up_daily_quota_is_published(deployed, machine, records):
    deployed.add_fault(
        Fault(
            operation="Converse",
            region="us-east-1",
            error="ThrottlingException",
            message="Too many tokens per day, please wait before trying again.",
        )
    )
    shared_cooldowns.cooldowns()._in_background = lambda work: work()

    machine.run({"requests": records(3), "regions": ["us-east-1", "us-west-2"]})

    found = shared_cooldowns.SharedCooldownStore("catalog-of-the-test").read()
    assert found
    assert {region for _, region in found} == {"us-east-1"}


def test_a_call_that_finds_every_target_cooling_is_counted_and_answered(
    deployed, context, proxy_event, capsys
):
    for model in ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"):
        for region in ("us-east-1", "us-west-2", "eu-central-1"):
            shared_cooldowns.cooldowns().record_failure(
                (model, region), Decision(Next.OTHER_REGION, Kind.QUOTA)
            )

    assert http(proxy_event("POST", "/v1/converse", REQUEST), context)["statusCode"] == 200
    assert http(proxy_event("POST", "/v1/converse", REQUEST), context)["statusCode"] == 200

    (line,) = [line for line in metric_lines(capsys) if "AllTargetsCooling" in line]
    # The first answer has ended the cooldown of its target.
    assert (line["AllTargetsCooling"], line["door"]) == (1, "http")
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


@pytest.mark.parametrize("entry_point", ["http", "events"])
def test_a_healthy_warm_path_reads_budgets_once_and_writes_usage_once(
    deployed, context, proxy_event, monkeypatch, entry_point
):
    from lambdas.shared.converse_request import read_request, send_request

    http(proxy_event("POST", "/v1/converse", REQUEST), context)
    operations = []
    original = BaseClient._make_api_call

    def counted(self, operation, parameters):
        if self.meta.service_model.service_name == "dynamodb":
            operations.append(operation)
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    for _ in range(20):
        if entry_point == "http":
            assert http(proxy_event("POST", "/v1/converse", REQUEST), context)["statusCode"] == 200
        else:
            assert send_request(read_request(REQUEST, Caller()), seconds=20, entry_point="events")["text"]

    assert operations == ["BatchGetItem", "TransactWriteItems"] * 20


def test_an_unavailable_table_does_not_fail_requests(deployed, context, proxy_event, monkeypatch):
    operations = []
    original = BaseClient._make_api_call

    def fail(self, operation, parameters):
        if self.meta.service_model.service_name != "dynamodb":
            return original(self, operation, parameters)
        operations.append(operation)
        raise EndpointConnectionError(endpoint_url="dynamodb")

    manual_outage_clock(monkeypatch)
    http(proxy_event("POST", "/v1/converse", REQUEST), context)
    monkeypatch.setattr(BaseClient, "_make_api_call", fail)
    shared_cooldowns.cooldowns()._in_background = lambda work: work()
    deployed.add_fault(
        Fault(region="us-east-1", error="ThrottlingException", message="Too many tokens per day")
    )

    for _ in range(2):
        assert http(proxy_event("POST", "/v1/converse", REQUEST), context)["statusCode"] == 200

    # The table of usage is called once, to read the budgets.
    assert set(operations) == {"PutItem", "Query", "BatchGetItem"}
    assert operations.count("BatchGetItem") == 1


def test_an_answer_after_a_throttled_attempt_is_two_subsegments_in_x_ray(
    deployed, context, proxy_event, monkeypatch
):
    deployed.add_fault(Fault(region="us-east-1", error="ThrottlingException"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-67000000-0123456789abcdef01234567;Parent=53;Sampled=1")
        assert http(proxy_event("POST", "/v1/converse", REQUEST), context)["statusCode"] == 200
        documents = [json.loads(daemon.recv(65_536).partition(b"\n")[2]) for _ in range(2)]

    assert [(document["annotations"]["region"], document.get("throttle")) for document in documents] == [
        ("us-east-1", True),
        ("us-west-2", None),
    ]
    assert "is not logged" not in json.dumps(documents)
