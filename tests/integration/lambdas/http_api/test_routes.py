"""Routes and headers of the HTTP API: keys, asynchronous requests, validation, executions, access, health."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl

import boto3
import pytest
import requests as http
import urllib3
from botocore.config import Config
from botocore.stub import Stubber

from lambdas.http_api import async_requests, large_responses
from lambdas.http_api.handler import handler
from lambdas.shared import clients
from llmmanager.testing import Answer, Fault
from tests.waiting import PATIENCE_SECONDS, wait_until

MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
REQUEST = {"messages": MESSAGES}
ROLE = "arn:aws:sts::123456789012:assumed-role"


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request and returns status, body and headers."""

    def send(method, path, body=None, *, headers=None, query=None, caller="arn:aws:iam::1:user/ada"):
        event = proxy_event(method, path, body)
        event["headers"] = headers or {}
        event["queryStringParameters"] = query
        event["requestContext"]["identity"] = {"userArn": caller}
        response = handler(event, context)
        return response["statusCode"], json.loads(response["body"]), response["headers"]

    return send


@pytest.fixture
def queue(deployed, cold_start, monkeypatch):
    """The request queue. Calling it returns the messages."""
    url = boto3.client("sqs").create_queue(QueueName="requests")["QueueUrl"]
    monkeypatch.setenv("LLMMANAGER_REQUEST_QUEUE_URL", url)
    cold_start()
    return lambda: [
        json.loads(message["Body"])
        for message in boto3.client("sqs").receive_message(QueueUrl=url).get("Messages", ())
    ]


# ---- Idempotency-Key


def test_a_request_that_is_sent_twice_runs_once(call, deployed):
    first = call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})
    second = call("POST", "/v1/converse", REQUEST, headers={"idempotency-key": "k"})

    assert first[0] == second[0] == 200
    assert first[1] == second[1]
    assert "Idempotent-Replay" not in first[2]
    assert second[2]["Idempotent-Replay"] == "true"
    assert len(deployed.calls) == 1


def test_a_batch_that_is_sent_twice_is_started_once(call, machine, records):
    body = {"requests": records(2)}

    first = call("POST", "/v1/batches", body, headers={"Idempotency-Key": "k"})
    second = call("POST", "/v1/batches", body, headers={"Idempotency-Key": "k"})

    assert (first[0], second[0]) == (202, 202)
    assert first[1] == second[1]
    assert len(call("GET", "/v1/batches")[1]["batches"]) == 1


def test_another_body_with_the_same_key_is_rejected(call, deployed):
    call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})

    body = {**REQUEST, "inferenceConfig": {"maxTokens": 5}}
    status, problem, _ = call("POST", "/v1/converse", body, headers={"Idempotency-Key": "k"})

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")
    assert len(deployed.calls) == 1


def test_while_the_first_request_is_in_progress_others_get_retry_after(call, deployed, answer_with):
    answered = threading.Event()

    def wait_for_the_others(_):
        assert answered.wait(PATIENCE_SECONDS)

    answer_with(wait_for_the_others)

    def send():
        return call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor() as pool:
        first = pool.submit(send)
        wait_until(lambda: deployed.calls)
        others = list(pool.map(lambda _: send(), range(3)))
        answered.set()

    assert first.result()[0] == 200
    assert [status for status, *_ in others] == [409, 409, 409]
    assert all("Retry-After" in headers for *_, headers in others)
    assert len(deployed.calls) == 1


def test_a_failure_is_not_recorded(call, deployed):
    deployed.add_fault(Fault(error="AccessDeniedException", count=6))

    assert call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})[0] == 503
    status, _, headers = call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})

    assert status == 200
    assert "Idempotent-Replay" not in headers


def test_callers_have_separate_keys_but_sessions_of_a_role_share_them(call, deployed):
    for caller in (
        "arn:aws:iam::1:user/ada",
        "arn:aws:iam::1:user/bob",
        f"{ROLE}/app/one",
        f"{ROLE}/app/two",
    ):
        call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"}, caller=caller)

    assert len(deployed.calls) == 3


@pytest.mark.parametrize("key", ["", "a" * 256, "a\nb"])
def test_a_malformed_key_is_rejected(call, deployed, key):
    status, problem, _ = call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": key})

    assert status == 400
    assert problem["errors"][0].startswith("Idempotency-Key: ")
    assert not deployed.calls


def test_without_the_table_a_request_with_a_key_does_not_run(call, deployed):
    boto3.client("dynamodb").delete_table(TableName=os.environ["LLMMANAGER_REQUEST_TABLE"])

    status, problem, headers = call("POST", "/v1/converse", REQUEST, headers={"Idempotency-Key": "k"})

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:store-unavailable")
    assert headers["Retry-After"]
    assert not deployed.calls


# ---- asynchronous requests


@pytest.mark.parametrize("prefer", ["respond-async", "wait=5, Respond-Async; x=1"])
def test_an_asynchronous_request_is_stored_and_queued(call, queue, machine, deployed, prefer):
    status, body, headers = call("POST", "/v1/converse", REQUEST, headers={"prefer": prefer})
    id_ = body["requestId"]

    assert (status, body["status"], headers["Preference-Applied"]) == (202, "pending", "respond-async")
    assert headers["Location"] == body["links"]["self"] == f"/v1/requests/{id_}"
    key = f"requests/{id_}/request.json"
    assert queue() == [{"requestId": id_, "requestKey": key, "caller": "arn:aws:iam::1:user/ada"}]
    assert json.loads(machine.read(key)) == REQUEST
    assert call("GET", f"/v1/requests/{id_}")[:2] == (200, body)
    assert not deployed.calls


@pytest.mark.parametrize(
    ("full_path", "path", "location"),
    [
        ("/prod/v1/converse", "/v1/converse", "/prod/v1/requests/"),
        ("/prod/v1/converse/", "/v1/converse/", "/prod/v1/requests/"),
        ("/v1/converse", "/v1/converse", "/v1/requests/"),
    ],
)
def test_location_includes_the_stage_of_the_call(queue, proxy_event, context, full_path, path, location):
    event = proxy_event("POST", path, REQUEST) | {"headers": {"Prefer": "respond-async"}}
    event["requestContext"]["path"] = full_path

    response = handler(event, context)

    assert response["headers"]["Location"] == location + json.loads(response["body"])["requestId"]


@pytest.mark.parametrize("path", ["/v1/converse", "/llm/v1/converse", "/llm/prod/v1/converse/"])
def test_a_custom_domain_may_map_a_path_to_the_api(queue, proxy_event, context, path):
    event = proxy_event("POST", path, REQUEST)
    event |= {"resource": "/v1/converse", "headers": {"Prefer": "respond-async"}}
    event["requestContext"]["path"] = path

    response = handler(event, context)

    assert response["statusCode"] == 202
    id_ = json.loads(response["body"])["requestId"]
    assert response["headers"]["Location"] == f"{path.rstrip('/').removesuffix('/converse')}/requests/{id_}"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("v1/models/arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0/access", 200),
        ("x/v1/models", 404),
    ],
)
def test_the_route_is_the_path_below_that_of_the_custom_domain(deployed, proxy_event, context, rest, status):
    event = proxy_event("GET", f"/llm/{rest}") | {"resource": "/{proxy+}", "pathParameters": {"proxy": rest}}
    event["requestContext"]["path"] = event["path"]

    assert handler(event, context)["statusCode"] == status


def test_a_preference_may_be_in_any_of_several_headers(queue, proxy_event, context):
    event = proxy_event("POST", "/v1/converse", REQUEST)
    event["headers"] = {"prefer": "wait=10"}
    event["multiValueHeaders"] = {"prefer": ["respond-async", "wait=10"]}

    assert handler(event, context)["statusCode"] == 202


@pytest.mark.parametrize(
    ("first", "second", "status"), [("respond-async", "", 202), ("", "respond-async", 200)]
)
def test_a_request_that_is_repeated_with_another_preference_is_the_same_request(
    call, queue, deployed, first, second, status
):
    responses = [
        call("POST", "/v1/converse", REQUEST, headers={"Prefer": prefer, "Idempotency-Key": "k"})
        for prefer in (first, second)
    ]

    assert [response[0] for response in responses] == [status, status]
    assert responses[0][1] == responses[1][1]
    assert len(deployed.calls) + len(queue()) == 1


def test_the_outcome_is_returned_when_it_exists(call, queue):
    _, body, _ = call("POST", "/v1/converse", REQUEST, headers={"Prefer": "respond-async"})
    outcome = {"requestId": body["requestId"], "status": "answered", "answer": {"text": "Paris"}}
    boto3.client("s3").put_object(
        Bucket=os.environ["LLMMANAGER_BUCKET"],
        Key=f"requests/{body['requestId']}/result.json",
        Body=json.dumps(outcome),
    )

    assert call("GET", body["links"]["self"])[:2] == (200, outcome)


def test_an_expired_request_is_reported_as_lost(call, queue, monkeypatch, cold_start):
    _, body, _ = call("POST", "/v1/converse", REQUEST, headers={"Prefer": "respond-async"})
    now = datetime.now(UTC)
    lost_after = int(os.environ["LLMMANAGER_REQUEST_LOST_SECONDS"])

    def get_after(seconds):
        monkeypatch.setattr(
            async_requests, "datetime", SimpleNamespace(now=lambda _: now + timedelta(seconds=seconds))
        )
        return call("GET", body["links"]["self"])

    assert get_after(lost_after - 60)[1]["status"] == "pending"
    status, found, _ = get_after(lost_after + 60)
    assert (status, found["requestId"], found["status"]) == (200, body["requestId"], "failed")
    assert found["error"]["type"] == "urn:llmmanager:problem:lost"


def test_an_invalid_asynchronous_request_is_rejected_at_once(call, queue):
    assert call("POST", "/v1/converse", {}, headers={"Prefer": "respond-async"})[0] == 400
    assert queue() == []


def test_an_asynchronous_request_that_is_sent_twice_is_queued_once(call, queue):
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}

    assert (
        call("POST", "/v1/converse", REQUEST, headers=headers)[1]
        == (call("POST", "/v1/converse", REQUEST, headers=headers)[1])
    )
    assert len(queue()) == 1


def test_without_a_queue_the_request_is_answered_at_once(call):
    assert call("POST", "/v1/converse", REQUEST, headers={"Prefer": "respond-async"})[0] == 200


@pytest.mark.parametrize("id_", ["unknown", "a%2Fb", "a" * 81, "ü"])
def test_an_unknown_request_is_not_found(call, id_):
    assert call("GET", f"/v1/requests/{id_}")[0] == 404


# ---- valid and invalid bodies


def test_an_answer_that_breaks_a_rule_is_requested_again(call, deployed):
    rules = {"mustContain": ["a phrase that no answer has"], "retries": 1}

    status, problem, _ = call("POST", "/v1/converse", {**REQUEST, "responseValidation": rules})

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:answer-refused")
    assert len(problem["attempts"]) == len(deployed.calls) > 1
    assert problem["errors"][0] == "mustContain[0]: the answer does not contain it"


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}},
    "required": ["city"],
}
TEXT_WITH_SCHEMA = {**REQUEST, "outputSchema": CITY, "models": ["Nova Lite"]}


def test_an_answer_with_a_schema_has_its_value(call, deployed):
    rules = {"jsonSchema": CITY, "mustContain": ['"city":']}

    _, answer, _ = call("POST", "/v1/converse", {**TEXT_WITH_SCHEMA, "responseValidation": rules})

    assert answer["parsed"] == json.loads(answer["text"])
    assert answer["parsed"].keys() == {"city"}
    assert len(deployed.calls) == 1


@pytest.mark.parametrize(
    ("answer", "calls", "problem_type", "reason"),
    [
        (Answer(({"text": '{"city": 1}'},)), 3, "answer-refused", "answer.city: must be string"),
        (Answer(({"text": '{"city": "Par'},), "max_tokens"), 1, "answer-incomplete", "cut off (max_tokens)"),
        (Answer(({"text": "No."},), "content_filtered"), 1, "answer-incomplete", "was refused"),
    ],
)
def test_an_answer_without_a_value_for_the_schema_is_a_problem(
    call, deployed, answer_with, answer, calls, problem_type, reason
):
    answer_with(lambda _: answer)

    status, problem, _ = call("POST", "/v1/converse", TEXT_WITH_SCHEMA)

    assert (status, problem["type"]) == (422, f"urn:llmmanager:problem:{problem_type}")
    assert reason in problem["errors"][0]
    assert len(deployed.calls) == len(problem["attempts"]) == calls
    assert problem["estimatedCostUsd"] > 0


def test_an_answer_that_follows_the_rules_is_returned(call, deployed):
    status, *_ = call("POST", "/v1/converse", {**REQUEST, "responseValidation": {"minLength": 1}})

    assert (status, len(deployed.calls)) == (200, 1)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"responseValidation": {"pattern": "(a+)+("}}, "responseValidation.pattern: "),
        ({"outputSchema": []}, "outputSchema: must be a JSON Schema"),
        ({"outputSchema": {"type": "array"}}, 'outputSchema.type: must be "object"'),
        (
            {"outputSchema": {"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}},
            "outputSchema.properties.a.pattern: is invalid or not supported",
        ),
        (
            {
                "outputSchema": {"type": "object"},
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {"jsonSchema": {"schema": "{}", "name": "a"}},
                    }
                },
            },
            "outputConfig.textFormat: must be missing with outputSchema",
        ),
        ({"aws_secret_access_key": "x"}, "aws_secret_access_key: credentials"),
        ({"Authorization": "Bearer x"}, "Authorization: credentials"),
        ({"x-api-key": "x"}, "x-api-key: credentials"),
    ],
)
def test_an_invalid_field_is_rejected_by_its_name(call, deployed, more, field):
    status, problem, _ = call("POST", "/v1/converse", {**REQUEST, **more})

    assert status == 400
    assert problem["errors"][0].startswith(field)
    assert not deployed.calls


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("s3://bucket-of-another-team/a.png", True),
        ("s3://batches-of-the-test/inputs/a.png", True),
        ("s3://batches-of-the-test/requests/a.png", False),
        ("s3://another-bucket/a.png", False),
    ],
)
def test_files_are_read_only_from_configured_buckets(call, uri, allowed):
    image = {"image": {"format": "png", "source": {"s3Location": {"uri": uri}}}}
    body = {"messages": [{"role": "user", "content": [image, {"text": "What is it?"}]}]}

    _, found, _ = call("POST", "/v1/validate", body)

    assert found["valid"] is allowed
    path = "messages[0].content[0].image.source.s3Location.uri: "
    assert allowed or found["errors"][0].startswith(path)


def test_a_body_is_validated_without_calling_a_model(call, deployed):
    assert call("POST", "/v1/validate", REQUEST)[:2] == (200, {"valid": True, "errors": []})
    status, found, _ = call(
        "POST", "/v1/validate", {"models": ["GPT"], "responseValidation": {}, "messages": 1}
    )

    assert (status, found["valid"]) == (200, False)
    assert [error.split(":")[0] for error in found["errors"]] == ["models", "responseValidation", "messages"]
    assert call("POST", "/v1/validate", "no json")[0] == 400
    assert not deployed.calls


# ---- a batch's options

OPTIONS = {
    "responseValidation": {"minLength": 1},
    "failureStrategy": {"stopOnThreshold": 0.5},
    "deadlineSeconds": 60,
    "retryStrategy": "model_first",
    "resultOrder": "input",
}


def test_a_batch_is_started_with_its_options(call, machine, records):
    status, body, _ = call("POST", "/v1/batches", {"requests": records(1), **OPTIONS})

    assert status == 202
    assert json.loads(described(body["batchId"])["input"]).items() >= OPTIONS.items()


@pytest.mark.parametrize(
    "invalid",
    [
        {"responseValidation": {"retries": 9}},
        {"failureStrategy": "never"},
        {"deadlineSeconds": 0},
        {"retryStrategy": "any"},
        {"resultOrder": "random"},
        {"models": ["Nova Lite"], "responseValidation": {"jsonSchema": {"const": "a" * 250_000}}},
    ],
)
def test_invalid_options_of_a_batch_are_rejected_at_once(call, machine, records, invalid):
    status, problem, _ = call("POST", "/v1/batches", {"requests": records(1), **invalid})

    assert status == 400
    assert problem["errors"][0].split(":")[0].split(".")[0] in {*invalid, "body"}
    assert machine.keys() == []


# ---- executions


def test_a_request_that_every_target_rejects_as_invalid_returns_400(call, deployed):
    deployed.add_fault(Fault(error="ValidationException", message="temperature is not for this model"))

    status, problem, _ = call("POST", "/v1/converse", REQUEST)

    assert (status, problem["type"]) == (400, "urn:llmmanager:problem:invalid-request")
    assert "temperature is not for this model" in problem["errors"][0]


def described(name):
    arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    return boto3.client("stepfunctions").describe_execution(executionArn=f"{arn}:{name}")


@pytest.fixture
def batch(call, machine, records):
    """The id of a running batch."""
    return call("POST", "/v1/batches", {"requests": records(2)})[1]["batchId"]


def test_a_batch_is_stopped_and_resumed_with_its_own_id(call, batch):
    assert call("POST", f"/v1/batches/{batch}/resume")[0] == 409
    status, stopped, _ = call("POST", f"/v1/batches/{batch}/stop")
    assert (status, stopped["status"]) == (200, "stopped")
    assert call("GET", f"/v1/batches/{batch}")[1]["status"] == "stopped"
    assert call("POST", f"/v1/batches/{batch}/stop")[0] == 200

    status, resumed, _ = call("POST", f"/v1/batches/{batch}/resume")

    assert (status, resumed["batchId"], resumed["status"]) == (202, batch, "running")
    assert call("GET", f"/v1/batches/{batch}")[1]["status"] == "running"
    assert described(f"{batch}--r2")["input"] == described(batch)["input"]
    assert call("POST", f"/v1/batches/{batch}/resume")[0] == 409
    call("POST", f"/v1/batches/{batch}/stop")
    assert call("POST", f"/v1/batches/{batch}/resume")[0] == 202
    assert described(f"{batch}--r3")["status"] == "RUNNING"


@pytest.mark.parametrize("action", ["stop", "resume"])
@pytest.mark.parametrize("id_", ["unknown", "no id", "a" * 81])
def test_an_unknown_batch_cannot_be_stopped_or_resumed(call, machine, action, id_):
    assert call("POST", f"/v1/batches/{id_}/{action}")[0] == 404


def test_batches_are_listed_newest_first_page_by_page(call, machine, records):
    ids = [call("POST", "/v1/batches", {"requests": records(1)})[1]["batchId"] for _ in range(3)]

    first = call("GET", "/v1/batches", query={"limit": "2"})[1]
    rest = call("GET", "/v1/batches", query={"limit": "2", "nextToken": first["nextToken"]})[1]

    assert [len(first["batches"]), len(rest["batches"])] == [2, 1]
    listed = [*first["batches"], *rest["batches"]]
    assert {entry["batchId"] for entry in listed} == set(ids)
    assert "nextToken" not in rest
    for entry in listed:
        assert entry["links"]["self"] == f"/v1/batches/{entry['batchId']}"
        assert datetime.fromisoformat(entry["startedAt"]).tzinfo


def test_a_resumed_batch_is_listed_once_with_its_current_status(call, machine, records):
    ids = [call("POST", "/v1/batches", {"requests": records(1)})[1]["batchId"] for _ in range(3)]
    for action in ("stop", "resume", "stop", "resume"):
        call("POST", f"/v1/batches/{ids[0]}/{action}")
    call("POST", f"/v1/batches/{ids[1]}/stop")
    call("POST", f"/v1/batches/{ids[1]}/resume")
    call("POST", f"/v1/batches/{ids[1]}/stop")
    call("POST", f"/v1/batches/{ids[2]}/stop")

    for limit in ("1", "2", "3", "100"):
        listed, token = [], {}
        while token is not None:
            page = call("GET", "/v1/batches", query={"limit": limit, **token})[1]
            assert len(page["batches"]) <= int(limit)
            listed += [(entry["batchId"], entry["status"]) for entry in page["batches"]]
            token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
        assert sorted(listed) == sorted([(ids[0], "running"), (ids[1], "stopped"), (ids[2], "stopped")])


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "٣"}, {"nextToken": "x"}]
)
def test_an_invalid_query_parameter_is_rejected_by_its_name(call, machine, query):
    status, problem, _ = call("GET", "/v1/batches", query=query)

    assert status == 400
    assert problem["errors"][0].startswith(f"{next(iter(query))}: ")


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        ("ThrottlingException", 400),
        ("TooManyRequestsException", 400),
        ("ServiceUnavailable", 503),
        ("InternalFailure", 500),
    ],
)
def test_a_service_that_fails_or_throttles_returns_503_with_retry_after(call, machine, code, http_status):
    with Stubber(clients.step_functions()) as step_functions:
        step_functions.add_client_error("list_executions", code, http_status_code=http_status)
        status, problem, headers = call("GET", "/v1/batches")

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:busy")
    assert int(headers["Retry-After"]) > 0


def test_an_unreachable_service_returns_503_with_retry_after(call, monkeypatch):
    once = Config(retries={"total_max_attempts": 1})
    unreachable = boto3.client("stepfunctions", endpoint_url="http://127.0.0.1:1", config=once)
    monkeypatch.setattr(clients, "step_functions", lambda: unreachable)

    status, problem, headers = call("GET", "/v1/batches")

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:busy")
    assert int(headers["Retry-After"]) > 0


# ---- access and health


def test_every_access_method_of_a_model_is_returned(call):
    status, body, _ = call("GET", "/v1/models/Claude%20Haiku%204.5/access")

    assert status == 200
    assert body["modelId"] == "anthropic.claude-haiku-4-5-20251001-v1:0"
    access = body["regions"]["us-east-1"]
    assert access["accessMethods"] == ["geographic_profile", "global_profile"]
    assert access["accessMethod"] == access["accessMethods"][0]
    assert access["inferenceProfileId"].startswith("us.")


def test_access_can_be_requested_for_one_region(call):
    status, body, _ = call("GET", "/v1/models/Nova Lite/access", query={"region": "us-west-2"})

    assert (status, list(body["regions"])) == (200, ["us-west-2"])


def test_an_unknown_region_or_model_is_rejected(call):
    assert call("GET", "/v1/models/Nova Lite/access", query={"region": "eu-west-9"})[0] == 400
    assert call("GET", "/v1/models/GPT/access")[0] == 404
    assert call("GET", "/v1/models//access")[0] == 404


def test_health_reports_the_status_and_the_age_of_the_catalog(call):
    status, body, _ = call("GET", "/v1/health")

    assert (status, body["status"], body["models"]) == (200, "ok", ["Nova Lite", "Nova Micro"])
    assert set(body["accessDataAgeSeconds"]) == set(body["regions"])


# ---- large responses


def test_a_response_that_is_too_large_for_lambda_is_a_redirect_to_the_bucket(call, machine, monkeypatch):
    monkeypatch.setattr("lambdas.http_api.handler.MAX_BODY_BYTES", 100)

    status, body, headers = call("POST", "/v1/converse", REQUEST)

    assert status == 303
    assert headers["Location"] == body["resultUrl"]
    assert body["expiresInSeconds"] == large_responses.LINK_SECONDS
    url = urllib3.util.parse_url(body["resultUrl"])
    assert "X-Amz-Expires=900" in url.query
    (key,) = machine.keys("requests/")
    assert url.path.endswith(key)
    assert json.loads(machine.read(key))["text"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
def test_the_link_uses_the_regional_host_and_expires_after_fifteen_minutes(
    deployed, cold_start, monkeypatch, region
):
    bucket = f"in-{region}"
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("LLMMANAGER_BUCKET", bucket)
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    boto3.client("s3", region_name=region).create_bucket(Bucket=bucket, **where)
    cold_start()

    url = urllib3.util.parse_url(large_responses.redirect_to_stored(b"{}").headers["Location"])

    signed = dict(parse_qsl(url.query))
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    assert (url.scheme, url.host) == ("https", f"{bucket}.s3.{region}.{suffix}")
    assert signed["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert signed["X-Amz-Expires"] == "900"
    assert f"/{region}/s3/aws4_request" in signed["X-Amz-Credential"]


def test_the_link_needs_no_signature(deployed):
    link = large_responses.redirect_to_stored(b'{"text":"much"}').headers["Location"]

    assert http.get(link, timeout=PATIENCE_SECONDS).json() == {"text": "much"}


def test_a_body_of_the_maximum_size_fits_into_the_limit_of_lambda(call, machine, monkeypatch):
    worst = '"' * (large_responses.MAX_BODY_BYTES // 2 - 1)
    body = json.dumps(worst)
    assert len(body) <= large_responses.MAX_BODY_BYTES
    assert len(json.dumps({"body": body})) < 6_291_456


def test_ids_of_requests_cannot_be_guessed(call, queue):
    asynchronous = {"headers": {"Prefer": "respond-async"}}
    ids = {call("POST", "/v1/converse", REQUEST, **asynchronous)[1]["requestId"] for _ in range(20)}
    assert len({id_.partition("-")[2] for id_ in ids}) == 20
