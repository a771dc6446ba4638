"""What a response, and the response of a parallel run, tell."""

from __future__ import annotations

import json

import pytest

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ParallelConfigurationError,
    ParallelResponse,
    RequestAttempt,
    RequestValidationError,
)

# ---- 10: BedrockResponse

RESPONSE = {
    "success": bool,
    "content": str,
    "usage": dict,
    "metrics": dict,
    "stop_reason": str,
    "model_used": str,
    "region_used": str,
    "attempts": list,
    "total_duration_ms": float,
    "warnings": list,
    "had_validation_failures": bool,
    "validation_errors": list,
    "response_dict": dict,
    "response_json": str,
}


def test_a_response_tells_all_that_the_reference_reads_of_it(snippets, manager, messages) -> None:
    space = snippets.run("10-bedrock-response", {"manager": manager, "messages": messages}, dots="messages")
    assert {name: type(space[name]) for name in RESPONSE} == RESPONSE
    assert set(RESPONSE) == set(space.history) - {"response"}
    assert space["success"] is True
    assert space["content"]
    assert space["usage"]["inputTokens"] + space["usage"]["outputTokens"] == space["usage"]["totalTokens"]
    assert space["metrics"]["total_duration_ms"] == space["total_duration_ms"] > 0
    assert space["stop_reason"] == "end_turn"
    assert (space["model_used"], space["region_used"]) == ("amazon.nova-lite-v1:0", "us-east-1")
    assert [type(attempt) for attempt in space["attempts"]] == [RequestAttempt]
    assert (space["warnings"], space["validation_errors"], space["had_validation_failures"]) == (
        [],
        [],
        False,
    )


def test_a_failed_response_tells_its_errors(snippets, never_satisfied, messages) -> None:
    presumed = {"manager": never_satisfied, "messages": messages}
    space = snippets.run("10-bedrock-response", presumed, dots="messages")
    assert space["success"] is False
    assert isinstance(space["last_error"], Exception)
    assert space["all_errors"][-1] is space["last_error"]
    assert space["had_validation_failures"] is True
    assert {error["error_message"] for error in space["validation_errors"]} == {"never good enough"}


def test_a_response_serialises_and_comes_back(snippets, manager, messages) -> None:
    space = snippets.run("10-bedrock-response", {"manager": manager, "messages": messages}, dots="messages")
    assert json.loads(space["response_json"]) == space["response_dict"]
    assert '\n  "success": true' in space["response_json"]
    again = BedrockResponse.from_dict(json.loads(space["response_json"]))
    assert again.to_dict() == space["response_dict"]
    assert again.get_content() == space["content"]


def test_a_failed_response_serialises_too(snippets, never_satisfied, messages) -> None:
    presumed = {"manager": never_satisfied, "messages": messages}
    space = snippets.run("10-bedrock-response", presumed, dots="messages")
    again = BedrockResponse.from_dict(json.loads(space["response_json"]))
    assert str(again.get_last_error()) == str(space["last_error"])
    assert again.to_dict() == space["response_dict"]


def test_dots_for_messages_are_rejected_as_what_they_are(snippets, fake_bedrock, manager) -> None:
    with pytest.raises(RequestValidationError, match=r"messages\[0\]"):
        snippets.run("10-bedrock-response", {"manager": manager})
    assert fake_bedrock.calls == ()


# ---- 11: ParallelResponse


def questions(count: int) -> list[BedrockConverseRequest]:
    return [
        BedrockConverseRequest(
            request_id=f"q{n}", messages=[{"role": "user", "content": [{"text": f"{n}?"}]}]
        )
        for n in range(count)
    ]


def test_a_parallel_response_tells_all_that_the_reference_reads_of_it(snippets, parallel_manager) -> None:
    presumed = {"parallel_manager": parallel_manager, "requests": questions(6)}
    space = snippets.run("11-parallel-response", presumed, dots="requests")
    assert isinstance(space["parallel_response"], ParallelResponse)
    assert (space["success"], space["success_rate"]) == (True, 1.0)
    assert isinstance(space["total_duration_ms"], float)
    assert list(space["responses"]) == list(space["successful_responses"]) == [f"q{n}" for n in range(6)]
    assert all(isinstance(response, BedrockResponse) for response in space["responses"].values())
    assert space["failed_requests"] == []
    assert (space["total_requests"], space["successful_requests"]) == (6, 6)
    assert isinstance(space["avg_duration"], float)
    assert space["avg_duration"] > 0
    assert space["region_distribution"] == {"us-east-1": 2, "us-west-2": 2, "us-east-2": 2}


def test_a_parallel_response_lists_what_failed(snippets, fake_bedrock, parallel_manager) -> None:
    requests = [
        *questions(3),
        BedrockConverseRequest(request_id="bad", messages=[{"role": "user", "content": []}]),
    ]
    presumed = {"parallel_manager": parallel_manager, "requests": requests}
    space = snippets.run("11-parallel-response", presumed, dots="requests")
    assert (space["success"], space["success_rate"]) == (True, 0.75)
    assert space["failed_requests"] == ["bad"]
    assert list(space["successful_responses"]) == ["q0", "q1", "q2"]
    assert list(space["responses"]) == ["q0", "q1", "q2", "bad"]
    assert (space["total_requests"], space["successful_requests"]) == (4, 3)


def test_dots_for_requests_are_rejected_as_what_they_are(snippets, parallel_manager) -> None:
    with pytest.raises(ParallelConfigurationError, match="requests"):
        snippets.run("11-parallel-response", {"parallel_manager": parallel_manager})
