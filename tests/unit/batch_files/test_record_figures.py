"""The figures of a record in its result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError, ReadTimeoutError

from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.batch_files.record_figures import record_figures
from llmmanager.batch_files.results import interrupted_result, missed_result, result_of, with_earlier
from llmmanager.bedrock.models.request_attempt import RequestAttempt

STARTED = datetime(2026, 12, 1, 12, tzinfo=UTC)
PRO, LITE = "amazon.nova-pro-v1:0", "amazon.nova-lite-v1:0"
NOTHING = {"inputTokens": 0, "outputTokens": 0}
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Too many tokens"}}, "Converse")
TIMEOUT = ReadTimeoutError(endpoint_url="https://bedrock")
REQUEST = BedrockConverseRequest(
    request_id="record-1", messages="Hello", request_metadata={"team": "support"}
)


def attempt(number, *, model=PRO, region="us-east-1", seconds=1.5, error=None, usage=None, cost=None):
    start = STARTED + timedelta(seconds=10 * number)
    return RequestAttempt(
        model_id=model,
        region=region,
        access_method="on_demand",
        attempt_number=number,
        start_time=start,
        end_time=start + timedelta(seconds=seconds),
        success=error is None,
        error=error,
        usage=usage,
        estimated_cost_usd=cost,
    )


FAILED_OVER = [
    attempt(1, error=THROTTLED, usage=NOTHING),
    attempt(2, error=TIMEOUT),
    attempt(3, usage={"inputTokens": 9, "outputTokens": 4, "input_tokens": 9}, cost=0.5),
    attempt(4, model=LITE, seconds=2.25, usage={"inputTokens": 8, "outputTokens": 3}, cost=0.125),
]


def test_an_answer_that_failed_over_has_the_tokens_and_the_cost_of_each_model():
    figures = record_figures(BedrockResponse(success=True, attempts=FAILED_OVER))

    assert figures == {
        "latencyMs": 2250.0,
        "startedAt": "2026-12-01T12:00:10+00:00",
        "endedAt": "2026-12-01T12:00:42.250000+00:00",
        "throttles": 1,
        "errorCodes": {"ThrottlingException": 1, "ReadTimeoutError": 1},
        "byTarget": [
            {
                "model": PRO,
                "region": "us-east-1",
                "attempts": 3,
                "throttles": 1,
                "usage": {"inputTokens": 9, "outputTokens": 4},
                "estimatedCostUsd": 0.5,
            },
            {
                "model": LITE,
                "region": "us-east-1",
                "attempts": 1,
                "throttles": 0,
                "usage": {"inputTokens": 8, "outputTokens": 3},
                "estimatedCostUsd": 0.125,
            },
        ],
    }


def test_a_target_whose_usage_is_unknown_has_no_cost():
    (lost,) = record_figures(BedrockResponse(success=False, attempts=[attempt(1, error=TIMEOUT)]))["byTarget"]

    assert (lost["usage"], lost["estimatedCostUsd"]) == (None, None)


def test_a_record_without_an_attempt_has_no_times():
    figures = record_figures(BedrockResponse(success=False))

    assert (figures["latencyMs"], figures["startedAt"], figures["endedAt"]) == (None, None, None)
    assert figures["byTarget"] == []


def test_broken_rules_and_the_team_are_part_of_the_result():
    response = BedrockResponse(success=False, validation_errors=[{"error_message": "minLength: too short"}])

    result = result_of(REQUEST, response)

    assert result["validationErrors"] == ["minLength: too short"]
    assert result["team"] == "support"
    assert "validationErrors" not in record_figures(BedrockResponse(success=True))


def test_a_result_includes_the_figures_of_its_interrupted_runs():
    earlier = interrupted_result(REQUEST, BedrockResponse(success=False, attempts=FAILED_OVER[:2]))
    result = result_of(REQUEST, BedrockResponse(success=True, attempts=FAILED_OVER[2:]))
    whole = record_figures(BedrockResponse(success=True, attempts=FAILED_OVER))

    assert with_earlier(result, [earlier]).items() >= whole.items()

    missed = with_earlier(
        missed_result({"recordId": "record-1", "modelInput": {}}, {"type": "RecordLost"}), [earlier]
    )
    assert (missed["throttles"], missed["attempts"]) == (1, 2)
    assert missed["startedAt"] == earlier["startedAt"]
    assert missed["byTarget"] == earlier["byTarget"]
