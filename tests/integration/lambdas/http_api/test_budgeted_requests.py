"""POST /v1/converse: who pays for a request, and what a budget changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from lambdas.http_api.handler import handler
from lambdas.usage import transaction
from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.budget_table import budget_table
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.testing import FakeBedrock
from tests.clock import manual_outage_clock
from tests.deployed_storage import USAGE_TABLE
from tests.silent_server import silent_server

ADA = "arn:aws:iam::123456789012:user/ada"
ASK: dict[str, Any] = {
    "messages": [{"role": "user", "content": [{"text": "What is the capital of France?"}]}],
    "team": "search",
}


@pytest.fixture
def ask(deployed: FakeBedrock, proxy_event: Any, context: Any) -> Any:
    """Sends a request of Ada. Returns status and body."""

    def send(**fields: Any) -> tuple[int, dict[str, Any]]:
        event = proxy_event("POST", "/v1/converse", {**ASK, **fields})
        event["requestContext"]["identity"] = {"userArn": ADA}
        response = handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def budget(deployed: FakeBedrock) -> Any:
    """Sets the budget of a team per day, in nano-dollars."""

    def put(limit: int, *, team: str = "search") -> None:
        limits = {Period.DAY: limit}
        now = datetime.now(UTC)
        budget_table().put(
            Budget(scope=BudgetScope.TEAM, name=team, limits=limits, updated=now, updated_by="admin")
        )

    return put


def rows() -> dict[UsageKey, UsageCounts]:
    return dict(UsageTable(boto3.client("dynamodb"), USAGE_TABLE).rows([utc_day(datetime.now(UTC))]))


def test_a_request_is_counted_for_its_caller_team_and_model(ask: Any, deployed: FakeBedrock) -> None:
    for _ in range(2):
        status, answer = ask()
        assert status == 200
    ((key, counts),) = rows().items()
    assert (key.caller, key.team, key.key_id, key.model) == (ADA, "search", "", "amazon.nova-lite-v1:0")
    assert counts.requests == 2
    assert counts.input_tokens == deployed.billed.input_tokens
    assert counts.output_tokens == deployed.billed.output_tokens
    assert counts.cost == pytest.approx(2 * answer["estimatedCostUsd"] * 1e9)


def test_the_caller_and_the_team_reach_the_log_of_model_invocations(ask: Any, deployed: FakeBedrock) -> None:
    assert ask(requestMetadata={"ticket": "7", "caller": "someone else"})[0] == 200
    assert ask(extraRequestFields={"requestMetadata": {"team": "another"}})[0] == 200
    sent = [call.body["requestMetadata"] for call in deployed.calls]
    assert sent == [{"ticket": "7", "caller": ADA, "team": "search"}, {"caller": ADA, "team": "search"}]


def test_metadata_without_room_for_the_caller_is_rejected(ask: Any, deployed: FakeBedrock) -> None:
    status, problem = ask(requestMetadata={f"name{number}": "value" for number in range(15)})
    assert (status, deployed.calls) == (400, ())
    assert problem["errors"][0].startswith("requestMetadata: must have at most 14 entries")


def test_a_call_that_may_exceed_the_budget_is_refused_until_the_budget_is_raised(
    ask: Any, budget: Any, deployed: FakeBedrock
) -> None:
    maximum = {"inferenceConfig": {"maxTokens": 100}}
    budget(10_000)
    status, problem = ask(**maximum)
    assert (status, problem["type"]) == (402, "urn:llmmanager:problem:budget-exceeded")
    assert (problem["scope"], problem["name"], problem["period"]) == ("team", "search", "day")
    assert (problem["limit"], problem["left"], problem["reserved"]) == (0.00001, 0.00001, 0.0)
    assert datetime.fromisoformat(problem["resetsAt"]) > datetime.now(UTC)
    assert (deployed.calls, rows()) == ((), {})
    assert ask(**maximum, team="other")[0] == 200
    budget(1_000_000)
    assert ask(**maximum)[0] == 200


def test_a_budgeted_request_without_max_tokens_gets_a_maximum(
    ask: Any, budget: Any, deployed: FakeBedrock, cold_start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(10**9)

    def maximum(**fields: Any) -> int | None:
        assert ask(**fields)[0] == 200
        config: dict[str, int] = deployed.calls[-1].body.get("inferenceConfig") or {}
        return config.get("maxTokens")

    assert maximum() == 4096
    assert maximum(inferenceConfig={"temperature": 0.5}) == 4096
    assert maximum(inferenceConfig={"maxTokens": 4999}) == 4999
    assert maximum(extraRequestFields={"inferenceConfig": {"maxTokens": 77}}) == 77
    assert maximum(team="other") is None
    monkeypatch.setenv("LLMMANAGER_BUDGET_MAX_TOKENS", "1000000")
    cold_start()
    # The maximum of the models.
    assert maximum() == 5000


@pytest.mark.parametrize("place", ["fields", "extra"])
def test_a_budget_leaves_reasoning_its_tokens(
    place: str,
    ask: Any,
    budget: Any,
    deployed: FakeBedrock,
    cold_start: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMMANAGER_MODELS", json.dumps(["Claude Haiku 4.5", "Nova 2 Lite"]))
    cold_start()
    budget(10**9)

    def maximum(model: str, fields: dict[str, Any]) -> int | None:
        given = {"additionalModelRequestFields": fields}
        sent = given if place == "fields" else {"extraRequestFields": given}
        assert ask(models=[model], featureFallback=False, **sent)[0] == 200
        assert deployed.calls[-1].body["additionalModelRequestFields"] == fields
        config: dict[str, int] = deployed.calls[-1].body.get("inferenceConfig") or {}
        return config.get("maxTokens")

    thinking = {"type": "enabled", "budget_tokens": 8000}
    assert maximum("Claude Haiku 4.5", {"thinking": thinking}) == 8000 + 4096
    assert maximum("Claude Haiku 4.5", {"reasoning_config": thinking}) == 8000 + 4096
    high = {"type": "enabled", "maxReasoningEffort": "high"}
    assert maximum("Nova 2 Lite", {"reasoningConfig": high}) is None
    assert maximum("Nova 2 Lite", {"reasoningConfig": high | {"maxReasoningEffort": "low"}}) == 4096


def test_models_without_a_price_do_not_answer_budgeted_requests(
    ask: Any, budget: Any, deployed: FakeBedrock, cold_start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_MODELS", json.dumps(["GPT-6.1 Terra", "Nova Lite"]))
    cold_start()
    assert ask()[1]["model"] == "openai.gpt-6.1-terra"
    budget(10**9)
    assert ask()[1]["model"] == "amazon.nova-lite-v1:0"
    status, problem = ask(models=["GPT-6.1 Terra"])
    assert status == 400
    assert problem["errors"] == [
        "models: a budget applies to this call, and no price is known for GPT-6.1 Terra"
    ]


def test_a_caller_that_may_not_name_a_team_is_rejected(
    ask: Any, deployed: FakeBedrock, cold_start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_TEAM_CALLERS", json.dumps(["arn:aws:iam::123456789012:user/grace"]))
    cold_start()
    status, problem = ask()
    assert (status, deployed.calls) == (400, ())
    assert problem["errors"] == [f"team: the setting team_callers does not allow {ADA} to name a team"]
    assert ask(team=None)[0] == 200


def test_rejected_answers_are_charged_and_are_part_of_the_problem(
    ask: Any, budget: Any, deployed: FakeBedrock
) -> None:
    budget(10**9)
    status, problem = ask(responseValidation={"mustContain": ["never said"], "retries": 1})
    assert (status, len(problem["attempts"])) == (422, 2)
    ((_, counts),) = rows().items()
    assert (counts.requests, counts.failures) == (1, 1)
    assert counts.output_tokens == deployed.billed.output_tokens
    assert counts.cost == pytest.approx(problem["estimatedCostUsd"] * 1e9)


def test_a_budgeted_call_that_cannot_be_reserved_is_not_sent(
    ask: Any, budget: Any, deployed: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(10**9)
    original = BaseClient._make_api_call

    def fail_writes(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "TransactWriteItems":
            raise EndpointConnectionError(endpoint_url="dynamodb")
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", fail_writes)
    # Longer than a transaction is retried, so it is not retried.
    monkeypatch.setattr(transaction, "_FIRST_DELAY_SECONDS", 1e6)
    status, problem = ask()
    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:store-unavailable")
    assert deployed.calls == ()
    assert ask(team="other")[0] == 200


def test_calls_without_a_budget_wait_once_for_a_table_that_does_not_answer(
    ask: Any,
    deployed: FakeBedrock,
    cold_start: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    manual_outage_clock(monkeypatch)
    with silent_server() as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", silent.url)
        cold_start()
        assert [ask()[0] for _ in range(3)] == [200] * 3
        # Two attempts each to read the catalog and the budgets.
        assert silent.connections == 4
    cold_start()
    assert len(deployed.calls) == 3
    unrecorded = [record for record in caplog.records if record.message == "usage not recorded"]
    assert [record.rows[0]["requests"] for record in unrecorded] == [1] * 3  # type: ignore[attr-defined]
