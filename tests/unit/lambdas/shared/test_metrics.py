"""The metrics that a call writes to the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.shared.metrics import Tally, put_metrics
from lambdas.usage.caller import Caller
from llmmanager import BedrockResponse, RequestAttempt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import InvalidResponseError

LITE, MICRO = "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Converse")


TOKENS = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}


def attempt(
    model: str,
    region: str,
    error: Exception | None = None,
    *,
    usage: dict[str, int] | None = None,
    cost: float | None = None,
) -> RequestAttempt:
    moment = datetime.now(UTC)
    return RequestAttempt(
        model_id=model,
        region=region,
        access_method="on_demand",
        attempt_number=1,
        start_time=moment,
        end_time=moment,
        success=error is None,
        error=error,
        usage={"inputTokens": 0} if usage is None and error is THROTTLED else usage,
        estimated_cost_usd=cost,
    )


def answer(*before: RequestAttempt, model: str = LITE, region: str = "us-east-1") -> BedrockResponse:
    return BedrockResponse(
        success=True,
        response_data={
            "output": {"message": {"role": "assistant", "content": [{"text": "the secret answer"}]}},
            "usage": TOKENS,
        },
        model_used=model,
        region_used=region,
        attempts=[*before, attempt(model, region, usage=TOKENS, cost=0.000084)],
    )


def unanswered() -> BedrockResponse:
    return BedrockResponse(success=False, attempts=[attempt(LITE, "us-east-1", THROTTLED)])


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read


def count(response: BedrockResponse, caller: Caller | None = None) -> None:
    with Tally(entry_point="http", caller=caller) as tally:
        tally.add(response)


def test_an_answer_is_one_line_with_dimensions_for_target_and_total(lines: Any) -> None:
    count(answer())
    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [[], ["Model", "Region"]]
    assert {metric["Name"] for metric in directive["Metrics"]} == {
        "Requests",
        "Attempts",
        "InputTokens",
        "OutputTokens",
        "EstimatedCostUsd",
    }
    assert (line["Model"], line["Region"], line["door"]) == (LITE, "us-east-1", "http")
    assert (line["Requests"], line["InputTokens"], line["OutputTokens"]) == (1, 1000, 100)
    assert line["EstimatedCostUsd"] == 0.000084


def test_every_paid_answer_counts_for_the_target_that_answered(lines: Any) -> None:
    invalid = attempt(MICRO, "us-west-2", InvalidResponseError("no"), usage=TOKENS, cost=0.5)
    count(answer(invalid))
    by_region = {line["Region"]: line for line in lines()}
    assert (by_region["us-west-2"]["InputTokens"], by_region["us-west-2"]["EstimatedCostUsd"]) == (1000, 0.5)
    assert (by_region["us-east-1"]["OutputTokens"], by_region["us-east-1"]["Requests"]) == (100, 1)


def test_an_attempt_whose_answer_was_lost_is_counted_as_unknown_usage(lines: Any) -> None:
    count(answer(attempt(LITE, "us-west-2", ReadTimeoutError(endpoint_url="x"))))
    lost, answered = lines()
    assert (lost["Region"], lost["AttemptsWithUnknownUsage"]) == ("us-west-2", 1)
    assert "InputTokens" not in lost
    assert "AttemptsWithUnknownUsage" not in answered


def test_attempts_of_an_unfinished_call_do_not_count_as_a_request(lines: Any) -> None:
    with Tally(entry_point="batch") as tally:
        tally.add_attempts(unanswered())
    (line,) = lines()
    assert (line["Attempts"], line["Throttles"]) == (1, 1)
    assert "Requests" not in line


def test_a_failover_counts_for_the_new_target_and_a_throttle_for_the_throttled_one(lines: Any) -> None:
    count(answer(attempt(LITE, "us-east-1", THROTTLED), region="us-west-2"))
    by_region = {line["Region"]: line for line in lines()}
    first, second = by_region["us-east-1"], by_region["us-west-2"]
    assert (first["Attempts"], first["Throttles"]) == (1, 1)
    assert (second["Attempts"], second["Requests"], second["Failovers"]) == (1, 1, 1)
    assert "Requests" not in first
    assert "Throttles" not in second


def test_a_second_attempt_at_the_same_target_is_not_a_failover(lines: Any) -> None:
    count(answer(attempt(LITE, "us-east-1", THROTTLED)))
    (line,) = lines()
    assert line["Attempts"] == 2
    assert "Failovers" not in line


def test_a_request_that_no_target_answered_counts_only_in_total(lines: Any) -> None:
    count(unanswered())
    attempts, request = lines()
    assert attempts["Throttles"] == 1
    assert (request["Requests"], request["Failures"]) == (1, 1)
    assert request["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert "Model" not in request


def test_a_worker_writes_one_line_for_each_target(lines: Any) -> None:
    with Tally(entry_point="batch") as tally:
        for _ in range(50):
            tally.add(answer())
            tally.add(answer(model=MICRO))
        assert lines() == []
    assert {(line["Model"], line["Requests"]) for line in lines()} == {(LITE, 50), (MICRO, 50)}


def test_the_caller_is_a_field_and_not_a_dimension(lines: Any) -> None:
    count(answer(), Caller("arn:aws:iam::123456789012:user/ada", "search", "key1"))
    (line,) = lines()
    assert line["caller"] == "arn:aws:iam::123456789012:user/ada"
    assert (line["team"], line["keyId"]) == ("search", "key1")
    assert "caller" not in str(line["_aws"])


def test_answers_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    count(answer())
    assert "secret" not in capsys.readouterr().out


def test_every_metric_of_a_line_has_a_value(lines: Any) -> None:
    count(answer(attempt(MICRO, "eu-central-1", THROTTLED)))
    for line in lines():
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            assert line[metric["Name"]] > 0


@pytest.mark.usefixtures("fresh_settings")
def test_the_namespace_is_that_of_the_deployment(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMMANAGER_METRICS_NAMESPACE", "LLMManager/Test")
    put_metrics({"CatalogAgeSeconds": 0}, by={"Region": "us-east-1"})
    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "LLMManager/Test"
    assert directive["Metrics"] == [{"Name": "CatalogAgeSeconds", "Unit": "Seconds"}]
