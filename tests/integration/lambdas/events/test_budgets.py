"""Who pays for requests by event and message, and what a sender sees over budget."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from lambdas.shared import outage
from lambdas.usage import transaction
from lambdas.usage.budget import NANO_PER_USD, Budget, BudgetScope, Period
from lambdas.usage.budget_table import budget_table
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.testing import FakeBedrock

ADA = "arn:aws:iam::123456789012:user/ada"
USAGE = "usage"
ASK: dict[str, Any] = {"messages": "What is a queue?", "team": "search"}


@pytest.fixture
def set_budget(deployed: Any) -> Any:
    """Sets the daily budget of the team "search" in USD."""

    def put(usd: float) -> None:
        limits, now = {Period.DAY: round(usd * NANO_PER_USD)}, datetime.now(UTC)
        budget_table().put(
            Budget(scope=BudgetScope.TEAM, name="search", limits=limits, updated=now, updated_by="admin")
        )

    return put


def rows() -> dict[UsageKey, UsageCounts]:
    return dict(UsageTable(boto3.client("dynamodb"), USAGE).rows([utc_day(datetime.now(UTC))]))


def stored(deployed: Any, caller: str | None = ADA) -> dict[str, Any]:
    """Store a request like the HTTP API, and return its message."""
    deployed.put("requests/r-1/request.json", ASK)
    return {"requestId": "r-1", "requestKey": "requests/r-1/request.json", "caller": caller}


def test_a_message_is_charged_to_its_team(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.deliver(deployed.receive(ASK))

    [(key, counts)] = rows().items()
    assert (key.caller, key.team, counts.requests) == ("unknown", "search", 1)
    assert counts.output_tokens == fake_bedrock.billed.output_tokens > 0
    assert fake_bedrock.calls[0].body["requestMetadata"] == {"caller": "unknown", "team": "search"}


def test_a_request_that_the_api_has_queued_is_charged_to_its_caller_once(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    for _ in range(2):
        deployed.deliver(deployed.receive(stored(deployed)))

    [(key, counts)] = rows().items()
    assert (key.caller, key.team, counts.requests) == (ADA, "search", 1)


def test_a_request_over_budget_fails_at_once_and_can_be_replayed(
    deployed: Any, fake_bedrock: FakeBedrock, set_budget: Any
) -> None:
    """The failure is published, sent to the reply queue, and kept in the dead-letter queue."""
    set_budget(0.000001)

    request = {**ASK, "requestId": "mine", "replyTo": deployed.arn("answers")}
    assert deployed.deliver(deployed.receive(request)) == []

    published = [event for event in deployed.published() if event["detail-type"] == "LLM Failure"]
    error = published[0]["detail"]["error"]
    assert (error["status"], error["type"]) == (402, "urn:llmmanager:problem:budget-exceeded")
    assert (error["scope"], error["name"], error["period"]) == ("team", "search", "day")
    assert datetime.fromisoformat(error["resetsAt"]) > datetime.now(UTC)
    assert [json.loads(reply["Body"]) for reply in deployed.messages("answers")] == [published[0]["detail"]]
    [dead] = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "budget-exceeded"
    assert len(published) == 1
    assert not fake_bedrock.calls

    set_budget(1)
    deployed.deliver(deployed.receive(dead["Body"]))
    assert deployed.published()[-1]["detail"]["status"] == "answered"


def test_a_queued_request_over_budget_has_a_failed_result(
    deployed: Any, fake_bedrock: FakeBedrock, set_budget: Any
) -> None:
    set_budget(0.000001)

    deployed.deliver(deployed.receive(stored(deployed)))

    result = deployed.read("requests/r-1/result.json")
    assert (result["status"], result["error"]["status"]) == ("failed", 402)
    assert not fake_bedrock.calls


def test_a_request_whose_budget_cannot_be_read_is_tried_again(
    deployed: Any, fake_bedrock: FakeBedrock, set_budget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_budget(1)
    make_api_call = BaseClient._make_api_call

    def fail(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if f"'{USAGE}'" in repr(parameters):
            raise EndpointConnectionError(endpoint_url="https://dynamodb")
        return make_api_call(client, operation, parameters)

    received = deployed.receive(ASK)
    with monkeypatch.context() as broken:
        broken.setattr(BaseClient, "_make_api_call", fail)
        broken.setattr(transaction, "_FIRST_DELAY_SECONDS", 0)
        broken.setattr(outage, "_OUTAGE_SECONDS", 0)
        assert deployed.deliver(received) == [received["Records"][0]["messageId"]]
    assert not fake_bedrock.calls

    assert deployed.deliver(received) == []
    assert deployed.published()[-1]["detail"]["status"] == "answered"


def file_created(key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": "bucket-of-the-test"}, "object": {"key": key, "size": 3, "etag": "abc"}}
    return {"id": "e", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def test_the_folder_of_a_file_in_the_inbox_names_its_team(deployed: Any) -> None:
    deployed.deliver(deployed.receive(file_created("inbox/team=search/orders.jsonl")))

    [(name, data)] = deployed.batches().items()
    assert name.startswith("inbox-team-search-orders-")
    assert data["team"] == "search"


def test_a_file_in_a_folder_with_an_invalid_team_starts_no_batch(deployed: Any) -> None:
    deployed.deliver(deployed.receive(file_created("inbox/team=no*stars/orders.jsonl")))

    assert deployed.batches() == {}
    [failure] = deployed.published()
    assert "detail.object.key: team=no*stars: team: must be" in failure["detail"]["error"]["errors"][0]
