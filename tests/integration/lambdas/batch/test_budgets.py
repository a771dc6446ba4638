"""Batches of callers and teams with budgets, and who is charged for a batch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from lambdas.batch import worker
from lambdas.batch.batch_input import InvalidBatch
from lambdas.http_api.handler import handler
from llmmanager.testing import Fault
from tests.deployed_storage import STATE_MACHINE, USAGE_TABLE
from tests.team_budget import set_budget, spending, total_usage, usage_rows

ADA = "arn:aws:iam::123456789012:user/ada"
# What a record may cost at most and costs in us-east-1, in nano-dollars.
BOUND, COST = 53_400, 12_180
ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}


def test_a_batch_is_charged_to_its_caller_and_team(machine, deployed, records):
    uri = machine.put(records(40))

    summary = machine.run({"inputS3Uri": uri, "caller": ADA, "team": "search"})

    total = total_usage()
    assert {(key.caller, key.team, key.key_id) for key in usage_rows()} == {(ADA, "search", "")}
    assert (total.requests, total.failures) == (40, 0)
    assert total.input_tokens == deployed.billed.input_tokens == summary["usage"]["inputTokens"]
    assert total.output_tokens == deployed.billed.output_tokens == summary["usage"]["outputTokens"]
    metadata = {"caller": ADA, "team": "search", "batchId": "batch-1"}
    assert all(call.body["requestMetadata"] == metadata for call in deployed.calls)
    assert (summary["caller"], summary["team"], summary["overBudget"]) == (ADA, "search", 0)
    assert {line["team"] for line in machine.lines("results.jsonl")} == {"search"}


def test_a_batch_without_a_caller_is_charged_to_an_unknown_one(machine, deployed, records):
    summary = machine.run({"requests": records(1)})

    [key] = usage_rows()
    assert (key.caller, key.team) == ("unknown", "")
    assert deployed.calls[0].body["requestMetadata"] == {"caller": "unknown", "batchId": "batch-1"}
    assert (summary["caller"], summary["team"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("option", "value"), [("team", "no*stars"), ("team", 7), ("caller", ""), ("caller", ["x"])]
)
def test_an_invalid_payer_fails_the_batch(machine, records, option, value):
    with pytest.raises(InvalidBatch, match=f"{option}: must be"):
        machine.plan({"requests": records(1), option: value})


def test_a_record_without_room_in_its_metadata_is_rejected(machine, deployed, records):
    batch = records(3)
    batch[0]["modelInput"]["requestMetadata"] = {f"entry-{number}": "x" for number in range(14)}
    batch[1]["modelInput"]["requestMetadata"] = {f"entry-{number}": "x" for number in range(13)}

    summary = machine.run({"requests": batch, "team": "search"})

    assert (summary["answered"], summary["rejected"]) == (2, 1)
    [rejected] = machine.lines("rejected.jsonl")
    assert "requestMetadata: must have at most 13 entries" in rejected["reasons"][0]


def test_a_batch_with_a_budget_for_half_of_it_answers_half(machine, deployed, records):
    """Nothing is spent above the limit, and each record is answered or has the reason."""
    set_budget(150 * COST)
    uri = machine.put(records(300))

    summary = machine.run({"inputS3Uri": uri, "team": "search", **ONE_TARGET})

    assert summary["answered"] + summary["failed"] == 300
    assert summary["overBudget"] == summary["failed"] == summary["errors"]["BudgetExceeded"]
    assert 150 - BOUND / COST - 1 < summary["answered"] <= 150
    total = total_usage()
    assert (total.input_tokens, total.output_tokens) == (
        deployed.billed.input_tokens,
        deployed.billed.output_tokens,
    )
    assert (total.requests, spending().committed, spending().reserved) == (
        summary["answered"],
        total.cost,
        0,
    )
    error = machine.lines("failed.jsonl")[0]["error"]
    assert (error["type"], error["scope"], error["name"], error["period"]) == (
        "BudgetExceeded",
        "team",
        "search",
        "day",
    )
    assert datetime.fromisoformat(error["resetsAt"]) > datetime.now(UTC)


def test_a_record_over_budget_can_be_submitted_again_as_it_is(machine, deployed, records):
    set_budget(1)
    machine.run({"requests": records(1), "team": "search", **ONE_TARGET})
    [failed] = machine.lines("failed.jsonl")
    set_budget(10**9)

    again = machine.run({"requests": [failed], **ONE_TARGET}, name="batch-2")

    assert failed["modelInput"] == records(1)[0]["modelInput"]
    assert again["answered"] == 1
    assert deployed.calls[0].body["requestMetadata"] == {"caller": "unknown", "batchId": "batch-2"}


def test_a_budgeted_record_without_a_maximum_length_gets_one(machine, deployed, records):
    set_budget(10**9)
    [record] = records(1)
    del record["modelInput"]["inferenceConfig"]

    machine.run({"requests": [record], "team": "search", **ONE_TARGET})

    assert deployed.calls[0].body["inferenceConfig"] == {"maxTokens": 4096}


def test_records_of_a_model_without_a_price_fail_with_the_reason(machine, deployed, records, monkeypatch):
    monkeypatch.setattr("lambdas.usage.charged_request._has_price", lambda *_: False)
    set_budget(10**9)

    summary = machine.run({"requests": records(2), "team": "search", **ONE_TARGET})

    assert summary["errors"] == {"InvalidRequest": 2}
    assert "no price is known for Nova Lite" in machine.lines("failed.jsonl")[0]["error"]["message"]
    assert not deployed.calls


def test_the_reason_of_a_record_is_the_budget_and_not_the_failure_before(machine, deployed, records):
    # The first attempt fails after it was billed, and the budget does not allow another one.
    deployed.add_fault(Fault(reset=True, billed=True))
    set_budget(BOUND + 1)

    machine.run({"requests": records(1), "team": "search", **ONE_TARGET})

    [failed] = machine.lines("failed.jsonl")
    assert (failed["error"]["type"], failed["attempts"]) == ("BudgetExceeded", 1)
    assert total_usage().unconfirmed_attempts == 1
    assert spending().committed <= BOUND + 1


@pytest.fixture
def unavailable_table(monkeypatch):
    """Requests for the usage table fail from a number of requests on, until it is set to None."""
    state = {"from": None}
    make_api_call = BaseClient._make_api_call

    def call(client, operation, parameters):
        if USAGE_TABLE in repr(parameters) and state["from"] is not None:
            state["from"] -= 1
            if state["from"] < 0:
                error = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
                raise ClientError(error, operation)
        return make_api_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return state


# Of the requests of a worker, the first one reads the budgets.
@pytest.mark.parametrize("available_requests", [0, 1, 3])
def test_a_budgeted_shard_waits_while_the_table_is_unavailable_and_loses_nothing(
    machine, deployed, records, unavailable_table, available_requests
):
    set_budget(10**9)
    [item] = machine.plan({"requests": records(20), "team": "search", **ONE_TARGET})
    unavailable_table["from"] = available_requests

    waiting = worker.handler(item, machine.context())
    assert not waiting["done"]
    assert 1 <= waiting["waitSeconds"] <= 60
    assert not deployed.calls
    unavailable_table["from"] = None
    done = worker.handler(waiting, machine.context())

    assert (done["done"], done["answered"]) == (True, 20)
    assert "waitSeconds" not in done
    assert len(deployed.calls) == 20


def test_a_shard_fails_after_it_has_waited_for_the_table_for_a_day(machine, records, unavailable_table):
    set_budget(10**9)
    [item] = machine.plan({"requests": records(1), "team": "search", **ONE_TARGET})
    unavailable_table["from"] = 0
    yesterday = datetime.now(UTC) - timedelta(hours=25)

    with pytest.raises(worker.BudgetsUnavailable):
        worker.handler({**item, "tableUnavailableSince": yesterday.isoformat()}, machine.context())


def test_a_batch_without_a_budget_runs_while_the_table_is_unavailable(
    machine, deployed, records, unavailable_table
):
    items = machine.plan({"requests": records(3), **ONE_TARGET})
    unavailable_table["from"] = 0

    for item in items:
        machine.run_shard(item)

    assert machine.collect()["answered"] == 3


def test_an_invalid_answer_that_cannot_be_repeated_within_the_budget_was_counted(machine, deployed, records):
    set_budget(BOUND + COST)
    rules = {"responseValidation": {"pattern": "never", "retries": 5}}

    summary = machine.run({"requests": records(1), "team": "search", **ONE_TARGET, **rules})

    total = total_usage()
    assert summary["overBudget"] == 1
    assert total.cost == spending().committed
    assert total.output_tokens == deployed.billed.output_tokens > 0


@pytest.fixture
def post(deployed, proxy_event, context):
    """Sends Ada's request for a batch. Returns status and body."""

    def send(**body):
        event = proxy_event("POST", "/v1/batches", body)
        event["requestContext"]["identity"] = {"userArn": ADA}
        response = handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


def test_a_batch_of_the_api_is_charged_to_its_caller(post, records, proxy_event, context):
    status, started = post(requests=records(1), team="search")

    assert status == 202
    execution = f"{STATE_MACHINE.replace(':stateMachine:', ':execution:')}:{started['batchId']}"
    data = json.loads(boto3.client("stepfunctions").describe_execution(executionArn=execution)["input"])
    assert (data["caller"], data["team"]) == (ADA, "search")
    found = handler(proxy_event("GET", f"/v1/batches/{started['batchId']}"), context)
    body = json.loads(found["body"])
    assert (body["caller"], body["team"]) == (ADA, "search")


def test_only_the_configured_callers_can_name_the_team_of_a_batch(post, records, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_TEAM_CALLERS", json.dumps(["arn:aws:iam::123456789012:user/eve"]))

    status, problem = post(requests=records(1), team="search")

    assert (status, problem["errors"]) == (
        400,
        [f"team: the setting team_callers does not allow {ADA} to name a team"],
    )


def test_a_caller_cannot_charge_another_one(post, records):
    status, problem = post(requests=records(1), caller="arn:aws:iam::123456789012:user/eve")

    assert status == 400
    assert problem["errors"][0].startswith("caller: unknown field")
