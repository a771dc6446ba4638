"""Alarms and dashboard: they stay within the free tier and notify the configured recipient."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract import Metric

ROOT = Path(__file__).resolve().parents[2]
ALARMS = {
    "HttpErrors",
    "HttpSlow",
    "BatchFailed",
    "BatchTimedOut",
    "WorkerErrors",
    "HttpThrottles",
    "AllTargetsCooling",
    "DeadLetters",
    "Unanswered",
    "CatalogStale",
}


def alarms(stack: Any) -> dict[str, dict[str, Any]]:
    found = stack.of_type("AWS::CloudWatch::Alarm").items()
    return {name.removeprefix("Observability"): alarm for name, alarm in found}


def test_these_are_all_alarms(stack: Any) -> None:
    assert set(alarms(stack)) == ALARMS


def test_alarms_and_dashboard_stay_within_the_free_tier(stack: Any) -> None:
    watched = sum(
        len([metric for metric in alarm.get("Metrics", [{"MetricStat": {}}]) if "MetricStat" in metric])
        for alarm in alarms(stack).values()
    )
    assert watched <= 10
    assert len(stack.of_type("AWS::CloudWatch::Dashboard")) == 1


def test_errors_of_both_apis_raise_an_alarm_but_slow_streams_do_not(
    stack: Any,
) -> None:
    names = {api["Name"] for api in stack.of_type("AWS::ApiGateway::RestApi").values()}
    assert names == {"LlmManager"}
    watched = alarms(stack)
    assert watched["HttpErrors"]["MetricName"] == "5XXError"
    assert watched["HttpErrors"]["Dimensions"] == [{"Name": "ApiName", "Value": "LlmManager"}]
    # A stream may take minutes.
    assert watched["HttpSlow"]["MetricName"] == "Duration"
    assert watched["HttpSlow"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": "<HttpApiHandlerFunction>"}
    ]


def test_every_alarm_says_what_happened_and_names_its_place_in_the_docs(stack: Any) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for name, alarm in alarms(stack).items():
        assert alarm["AlarmDescription"].endswith(f"docs/operations.md, {name}")
        assert f"| `{name}` |" in page


def test_missing_data_is_an_alarm_for_the_refresh_only(stack: Any) -> None:
    silence = {name: alarm["TreatMissingData"] for name, alarm in alarms(stack).items()}
    assert silence.pop("CatalogStale") == "breaching"
    assert set(silence.values()) == {"notBreaching"}


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("rate(1 minute)", 1),
        ("rate(6 hours)", 1),
        ("rate(12 hours)", 1),
        ("rate(13 hours)", 2),
        ("rate(1 day)", 2),
        ("rate(3 days)", 6),
        ("rate(4 days)", None),
        ("cron(0 6 * * ? *)", 2),
        ("cron(0/15 8-18 ? * * *)", 2),
        ("cron(0 6 ? * MON *)", None),
        ("cron(0 6 1 * ? *)", None),
        ("cron(0 6 * 1-6 ? *)", None),
    ],
)
def test_a_refresh_that_never_runs_raises_the_alarm_after_two_pauses_of_the_schedule(
    schedule: str, days: int | None
) -> None:
    from infra.observability import refresh_overdue_days

    assert refresh_overdue_days(schedule) == days


def test_a_schedule_beyond_the_alarms_limit_is_not_watched(synthesise: Any) -> None:
    alarm = alarms(synthesise(refresh_schedule="rate(30 days)"))["CatalogStale"]
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1, "notBreaching")


def test_the_refresh_alarm_evaluates_days(stack: Any, varied: Any) -> None:
    for deployed, days in ((stack, 1), (varied, 2)):
        alarm = alarms(deployed)["CatalogStale"]
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == (86_400, days)
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 86_400)


def test_alarms_watch_the_metrics_that_the_functions_write(stack: Any) -> None:
    own = {
        alarm["MetricName"]: alarm["Namespace"]
        for alarm in alarms(stack).values()
        if str(alarm.get("Namespace", "")).startswith("LLMManager")
    }
    assert own == dict.fromkeys(
        (Metric.FAILURES, Metric.CATALOG_AGE, Metric.ALL_COOLING), "LLMManager/LlmManager"
    )
    for function in stack.of_type("AWS::Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        assert variables["LLMMANAGER_METRICS_NAMESPACE"] == "LLMManager/LlmManager"


def test_the_dashboard_shows_metrics_that_the_functions_write(stack: Any) -> None:
    (dashboard,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    body = dashboard["DashboardBody"]
    shown = set(re.findall(r'"LLMManager/LlmManager","(\w+)"', body))
    shown |= set(re.findall(r'MetricName=\\+"(\w+)\\+"', body))
    known = {value for value in vars(Metric).values() if isinstance(value, str)}
    assert shown
    assert shown <= known


def test_alarms_have_no_recipient_by_default(stack: Any) -> None:
    assert stack.of_type("AWS::SNS::Subscription").keys() & {"ObservabilityAlarms"} == set()
    assert all("AlarmActions" not in alarm for alarm in alarms(stack).values())


def test_a_configured_topic_receives_every_alarm_and_no_other_topic_is_created(varied: Any) -> None:
    topic = "arn:aws:sns:eu-west-2:123456789012:on-call"
    assert {json.dumps(alarm["AlarmActions"]) for alarm in alarms(varied).values()} == {json.dumps([topic])}
    assert "ObservabilityAlarms" not in varied.of_type("AWS::SNS::Topic")
    assert varied.of_type("AWS::CloudWatch::Dashboard") == {}


def test_a_topic_is_created_for_an_email_address(synthesise: Any) -> None:
    stack = synthesise(alarm_email="ops@example.com")
    assert "ObservabilityAlarms" in stack.of_type("AWS::SNS::Topic")
    endpoints = [sub.get("Endpoint") for sub in stack.of_type("AWS::SNS::Subscription").values()]
    assert "ops@example.com" in endpoints
    assert all(alarm["AlarmActions"] == ["<ObservabilityAlarms>"] for alarm in alarms(stack).values())


def test_alarms_of_the_account_may_publish_to_the_created_topic(synthesise: Any) -> None:
    stack = synthesise(alarm_email="ops@example.com")
    statements = stack.of_type("AWS::SNS::TopicPolicy")["ObservabilityAlarmsPolicy"]["PolicyDocument"][
        "Statement"
    ]
    (allowed,) = (statement for statement in statements if statement["Effect"] == "Allow")
    assert allowed == {
        "Sid": "AlarmsOfThisAccount",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": "<ObservabilityAlarms>",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }


def test_nothing_is_traced_by_default(stack: Any) -> None:
    for function in stack.of_type("AWS::Lambda::Function").values():
        assert "TracingConfig" not in function
    for machine in stack.of_type("AWS::StepFunctions::StateMachine").values():
        assert machine.get("TracingConfiguration", {}).get("Enabled", False) is False
    for stage in stack.of_type("AWS::ApiGateway::Stage").values():
        assert stage.get("TracingEnabled", False) is False


def test_everything_is_traced_when_tracing_is_on(varied: Any) -> None:
    functions = varied.of_type("AWS::Lambda::Function").values()
    assert {function["TracingConfig"]["Mode"] for function in functions} == {"Active"}
    for machine in varied.of_type("AWS::StepFunctions::StateMachine").values():
        assert machine["TracingConfiguration"] == {"Enabled": True}
    stages = varied.of_type("AWS::ApiGateway::Stage").values()
    assert [stage["TracingEnabled"] for stage in stages] == [True, True]


@pytest.mark.parametrize(("which", "value"), [("stack", "false"), ("varied", "true")])
def test_payloads_are_logged_only_when_log_payloads_is_on(
    which: str, value: str, request: pytest.FixtureRequest
) -> None:
    functions = request.getfixturevalue(which).of_type("AWS::Lambda::Function").values()
    logged = {function["Environment"]["Variables"]["LLMMANAGER_LOG_PAYLOADS"] for function in functions}
    assert logged == {value}


def test_the_query_for_the_cost_per_caller_uses_fields_of_the_log_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lambdas.shared.metrics import Tally
    from lambdas.usage.caller import Caller
    from llmmanager import BedrockResponse, RequestAttempt

    page = (ROOT / "docs" / "operations.md").read_text()
    (query,) = re.findall(r"```\n(filter ispresent\(Attempts\).*?)```", page, re.DOTALL)
    usage = {"inputTokens": 1000, "outputTokens": 100}
    model, region, moment = "amazon.nova-lite-v1:0", "us-east-1", datetime.now(UTC)
    attempt = RequestAttempt(
        model, region, "on_demand", 1, moment, moment, True, usage=usage, estimated_cost_usd=0.000084
    )
    answer = BedrockResponse(True, {"usage": usage}, model, region, attempts=[attempt])
    with Tally(entry_point="http", caller=Caller("arn:aws:iam::123456789012:user/ada")) as tally:
        tally.add(answer)
    line = json.loads(capsys.readouterr().out)
    fields = {*re.findall(r"sum\((\w+)\)", query), *re.findall(r"\bby (.*)", query)[0].split(", ")}
    assert fields == {
        "Requests",
        "EstimatedCostUsd",
        "InputTokens",
        "OutputTokens",
        "caller",
        "Model",
        "Region",
    }
    assert {"Attempts", *fields} <= set(line)
