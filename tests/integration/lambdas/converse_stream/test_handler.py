"""POST /v1/converse-stream against FakeBedrock, called as the runtime calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.shared.metrics import ENTRY_POINT_FIELD
from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.usage_counts import utc_day
from llmmanager.testing import Fault

HELLO = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
CALLER = "arn:aws:iam::123456789012:user/ana"


@pytest.fixture
def open_stream(deployed: Any, make_context: Any) -> Callable[..., Any]:
    """Returns the response to a body when it begins."""

    def open_stream(body: Any, **headers: str) -> Any:
        from lambdas.converse_stream.handler import handler

        return handler(proxy_event(body, **headers), make_context())

    return open_stream


@pytest.fixture
def send(open_stream: Callable[..., Any]) -> Callable[..., Any]:
    """Returns status and events, or status and document, of the response to a body."""

    def send(body: Any, **headers: str) -> Any:
        response = open_stream(body, **headers)
        received = b"".join(response.body)
        getattr(response.body, "close", lambda: None)()
        if response.status != 200:
            return response.status, json.loads(received)
        return 200, [read(part) for part in received.decode().split("\n\n") if part]

    return send


def proxy_event(body: Any, **headers: str) -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "path": "/v1/converse-stream",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": json.dumps(body),
        "requestContext": {"path": "/prod/v1/converse-stream", "identity": {"userArn": CALLER}},
    }


def read(part: str) -> tuple[str, Any]:
    name, data = part.split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def text_of(events: Any) -> str:
    return "".join(data["delta"].get("text", "") for name, data in events if name == "contentBlockDelta")


def test_a_stream_has_the_events_of_converse_and_ends_with_attempts_and_cost(send):
    status, events = send(HELLO)

    names = [name for name, _ in events]
    assert status == 200
    assert names[0] == "messageStart"
    assert names[-3:] == ["messageStop", "metadata", "answer"]
    assert text_of(events)
    assert events[-1][1]["region"] == "us-east-1"
    assert events[-1][1]["estimatedCostUsd"] > 0
    assert "modelOutput" not in events[-1][1]


def test_a_stream_that_breaks_continues_on_another_target(send, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", region="us-east-1", after_chunks=2, count=1))

    _, events = send(HELLO)

    assert events[-1][0] == "answer"
    assert len({attempt["region"] for attempt in events[-1][1]["attempts"]}) == 2


def test_a_stream_that_cannot_continue_ends_with_a_problem(send, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))

    _, events = send(HELLO)

    name, problem = events[-1]
    assert (name, problem["type"]) == ("error", "urn:llmmanager:problem:all-targets-failed")
    assert "messageStop" not in [name for name, _ in events]
    assert problem["attempts"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "messages"),
        ({**HELLO, "responseValidation": {"maxCharacters": 1}}, "responseValidation"),
        ({**HELLO, "outputSchema": {"type": "object"}}, "outputSchema: is not supported for streams"),
        ({**HELLO, "inferenceConfig": {"maxTokens": 0}}, "inferenceConfig"),
        ({**HELLO, "models": ["Unknown"]}, "models"),
    ],
)
def test_an_invalid_request_is_a_problem_that_names_the_field(send, deployed, body, field):
    status, problem = send(body)

    assert (status, problem["type"]) == (400, "urn:llmmanager:problem:invalid-request")
    assert problem["errors"][0].startswith(field)
    assert not deployed.calls


def test_a_failure_before_the_first_content_is_a_status(send, deployed):
    deployed.add_fault(Fault(error="AccessDeniedException"))

    status, problem = send(HELLO)

    assert status == 503
    assert problem["type"] == "urn:llmmanager:problem:all-targets-failed"


def test_a_repeated_stream_with_a_key_is_paid_once(send, deployed):
    first = send(HELLO, Idempotency_Key="k1")
    second = send(HELLO, Idempotency_Key="k1")

    assert second == first
    assert len(deployed.calls) == 1


def test_a_client_that_disconnects_is_recorded(open_stream, capsys):
    pieces = iter(open_stream(HELLO).body)
    next(pieces)
    pieces.close()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert (lines[-1][ENTRY_POINT_FIELD], lines[-1]["caller"]) == ("http", CALLER)


def test_another_method_is_rejected_with_the_supported_one(deployed, make_context):
    from lambdas.converse_stream.handler import handler

    response = handler({**proxy_event(HELLO), "httpMethod": "GET"}, make_context())

    assert (response.status, response.headers["Allow"]) == (405, "POST")


def test_a_stream_is_charged_to_its_caller_and_team(send, deployed):
    from lambdas.usage.spending import ledger
    from lambdas.usage.usage_table import UsageTable

    send({**HELLO, "team": "search"})

    table = UsageTable(ledger().client, ledger().table)
    [(key, counts)] = table.rows([utc_day(datetime.now(UTC))])
    assert (key.caller, key.team, key.model) == (CALLER, "search", "amazon.nova-lite-v1:0")
    assert (counts.requests, counts.output_tokens) == (1, deployed.billed.output_tokens)
    assert deployed.calls[-1].body["requestMetadata"] == {"caller": CALLER, "team": "search"}


def set_budget(limit: int) -> None:
    """Set the caller's budget per month, in nano-dollars."""
    from lambdas.usage.budget_table import budget_table

    limits = {Period.MONTH: limit}
    now = datetime.now(UTC)
    budget_table().put(
        Budget(scope=BudgetScope.CALLER, name=CALLER, limits=limits, updated=now, updated_by="admin")
    )


def test_a_stream_over_budget_is_a_402_problem_without_a_call(send, deployed):
    set_budget(10)

    status, problem = send(HELLO)

    assert status == 402
    assert (problem["scope"], problem["name"], problem["period"]) == ("caller", CALLER, "month")
    assert not deployed.calls


def test_a_stream_whose_continuation_the_budget_does_not_allow_ends_with_the_problem(send, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))
    # One attempt of at most 4,096 tokens at 0.24 USD per million fits, and two do not.
    set_budget(1_500_000)

    status, events = send(HELLO)

    name, problem = events[-1]
    assert (status, name, problem["status"]) == (200, "error", 402)
    assert problem["type"] == "urn:llmmanager:problem:budget-exceeded"
    assert problem["detail"].startswith("The answer was interrupted and could not be continued.")
    assert (problem["scope"], problem["period"]) == ("caller", "month")
    assert len(problem["attempts"]) == len(deployed.calls) == 1
