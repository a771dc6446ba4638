"""The HTTP API beyond a question and its answer: keys, later answers, rules, executions, access, health."""

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

from lambdas.http_api import large_answers, requests
from lambdas.http_api.handler import handler
from lambdas.shared import clients
from llmmanager.testing import Fault
from tests.waiting import PATIENCE_SECONDS, wait_until

MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
QUESTION = {"messages": MESSAGES}
ROLE = "arn:aws:sts::123456789012:assumed-role"


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request; gives status, body and headers of the answer."""

    def send(method, path, body=None, *, headers=None, query=None, caller="arn:aws:iam::1:user/ada"):
        event = proxy_event(method, path, body)
        event["headers"] = headers or {}
        event["queryStringParameters"] = query
        event["requestContext"]["identity"] = {"userArn": caller}
        answer = handler(event, context)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return send


@pytest.fixture
def queue(deployed, cold_start, monkeypatch):
    """The request queue; gives its messages."""
    url = boto3.client("sqs").create_queue(QueueName="requests")["QueueUrl"]
    monkeypatch.setenv("LLMMANAGER_REQUEST_QUEUE_URL", url)
    cold_start()
    return lambda: [
        json.loads(message["Body"])
        for message in boto3.client("sqs").receive_message(QueueUrl=url).get("Messages", ())
    ]


# ---- Idempotency-Key


def test_a_question_sent_twice_is_asked_once(call, deployed):
    first = call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})
    second = call("POST", "/v1/converse", QUESTION, headers={"idempotency-key": "k"})

    assert first[0] == second[0] == 200
    assert first[1] == second[1]
    assert "Idempotent-Replay" not in first[2]
    assert second[2]["Idempotent-Replay"] == "true"
    assert len(deployed.calls) == 1


def test_a_batch_sent_twice_is_started_once(call, machine, records):
    body = {"requests": records(2)}

    first = call("POST", "/v1/batches", body, headers={"Idempotency-Key": "k"})
    second = call("POST", "/v1/batches", body, headers={"Idempotency-Key": "k"})

    assert (first[0], second[0]) == (202, 202)
    assert first[1] == second[1]
    assert len(call("GET", "/v1/batches")[1]["batches"]) == 1


def test_another_body_under_the_same_key_is_refused(call, deployed):
    call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})

    body = {**QUESTION, "inferenceConfig": {"maxTokens": 5}}
    status, problem, _ = call("POST", "/v1/converse", body, headers={"Idempotency-Key": "k"})

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")
    assert len(deployed.calls) == 1


def test_while_the_first_is_under_way_others_are_told_to_come_back(call, deployed, answer_with):
    answered = threading.Event()

    def wait_for_the_others(_):
        assert answered.wait(PATIENCE_SECONDS)

    answer_with(wait_for_the_others)

    def send():
        return call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor() as pool:
        first = pool.submit(send)
        wait_until(lambda: deployed.calls)
        others = list(pool.map(lambda _: send(), range(3)))
        answered.set()

    assert first.result()[0] == 200
    assert [status for status, *_ in others] == [409, 409, 409]
    assert all("Retry-After" in headers for *_, headers in others)
    assert len(deployed.calls) == 1


def test_a_failure_is_not_kept(call, deployed):
    deployed.add_fault(Fault(error="AccessDeniedException", count=6))

    assert call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})[0] == 503
    status, _, headers = call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})

    assert status == 200
    assert "Idempotent-Replay" not in headers


def test_callers_do_not_see_each_others_answers_but_a_roles_sessions_do(call, deployed):
    for caller in (
        "arn:aws:iam::1:user/ada",
        "arn:aws:iam::1:user/bob",
        f"{ROLE}/app/one",
        f"{ROLE}/app/two",
    ):
        call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"}, caller=caller)

    assert len(deployed.calls) == 3


@pytest.mark.parametrize("key", ["", "a" * 256, "a\nb"])
def test_a_key_that_is_none_is_refused(call, deployed, key):
    status, problem, _ = call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": key})

    assert status == 400
    assert problem["errors"][0].startswith("Idempotency-Key: ")
    assert not deployed.calls


def test_without_the_table_a_request_with_a_key_is_not_made(call, deployed):
    boto3.client("dynamodb").delete_table(TableName=os.environ["LLMMANAGER_REQUEST_TABLE"])

    status, problem, headers = call("POST", "/v1/converse", QUESTION, headers={"Idempotency-Key": "k"})

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:store-unavailable")
    assert headers["Retry-After"]
    assert not deployed.calls


# ---- answered later


@pytest.mark.parametrize("prefer", ["respond-async", "wait=5, Respond-Async; x=1"])
def test_a_request_that_is_answered_later_is_kept_and_queued(call, queue, machine, deployed, prefer):
    status, body, headers = call("POST", "/v1/converse", QUESTION, headers={"prefer": prefer})
    id_ = body["requestId"]

    assert (status, body["status"], headers["Preference-Applied"]) == (202, "pending", "respond-async")
    assert headers["Location"] == body["links"]["self"] == f"/v1/requests/{id_}"
    key = f"requests/{id_}/request.json"
    assert queue() == [{"requestId": id_, "requestKey": key, "caller": "arn:aws:iam::1:user/ada"}]
    assert json.loads(machine.read(key)) == QUESTION
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
def test_location_leads_to_the_outcome_in_the_stage_that_was_called(
    queue, proxy_event, context, full_path, path, location
):
    event = proxy_event("POST", path, QUESTION) | {"headers": {"Prefer": "respond-async"}}
    event["requestContext"]["path"] = full_path

    answer = handler(event, context)

    assert answer["headers"]["Location"] == location + json.loads(answer["body"])["requestId"]


@pytest.mark.parametrize("path", ["/v1/converse", "/llm/v1/converse", "/llm/prod/v1/converse/"])
def test_a_domain_of_its_own_may_lead_to_the_api_by_a_path(queue, proxy_event, context, path):
    event = proxy_event("POST", path, QUESTION)
    event |= {"resource": "/v1/converse", "headers": {"Prefer": "respond-async"}}
    event["requestContext"]["path"] = path

    answer = handler(event, context)

    assert answer["statusCode"] == 202
    id_ = json.loads(answer["body"])["requestId"]
    assert answer["headers"]["Location"] == f"{path.rstrip('/').removesuffix('/converse')}/requests/{id_}"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("v1/models/arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0/access", 200),
        ("x/v1/models", 404),
    ],
)
def test_what_is_below_the_path_of_a_domain_is_all_that_counts(deployed, proxy_event, context, rest, status):
    event = proxy_event("GET", f"/llm/{rest}") | {"resource": "/{proxy+}", "pathParameters": {"proxy": rest}}
    event["requestContext"]["path"] = event["path"]

    assert handler(event, context)["statusCode"] == status


def test_a_preference_counts_in_whichever_of_several_headers_it_stands(queue, proxy_event, context):
    event = proxy_event("POST", "/v1/converse", QUESTION)
    event["headers"] = {"prefer": "wait=10"}
    event["multiValueHeaders"] = {"prefer": ["respond-async", "wait=10"]}

    assert handler(event, context)["statusCode"] == 202


@pytest.mark.parametrize(
    ("first", "second", "status"), [("respond-async", "", 202), ("", "respond-async", 200)]
)
def test_a_request_that_is_sent_again_with_another_preference_is_the_same(
    call, queue, deployed, first, second, status
):
    answers = [
        call("POST", "/v1/converse", QUESTION, headers={"Prefer": prefer, "Idempotency-Key": "k"})
        for prefer in (first, second)
    ]

    assert [answer[0] for answer in answers] == [status, status]
    assert answers[0][1] == answers[1][1]
    assert len(deployed.calls) + len(queue()) == 1


def test_the_outcome_is_given_when_there_is_one(call, queue):
    _, body, _ = call("POST", "/v1/converse", QUESTION, headers={"Prefer": "respond-async"})
    outcome = {"requestId": body["requestId"], "status": "answered", "answer": {"text": "Paris"}}
    boto3.client("s3").put_object(
        Bucket=os.environ["LLMMANAGER_BUCKET"],
        Key=f"requests/{body['requestId']}/result.json",
        Body=json.dumps(outcome),
    )

    assert call("GET", body["links"]["self"])[:2] == (200, outcome)


def test_a_request_that_nothing_works_at_any_more_is_told_as_lost(call, queue, monkeypatch, cold_start):
    _, body, _ = call("POST", "/v1/converse", QUESTION, headers={"Prefer": "respond-async"})
    now = datetime.now(UTC)
    kept = int(os.environ["LLMMANAGER_REQUEST_LOST_SECONDS"])

    def asked_after(seconds):
        monkeypatch.setattr(
            requests, "datetime", SimpleNamespace(now=lambda _: now + timedelta(seconds=seconds))
        )
        return call("GET", body["links"]["self"])

    assert asked_after(kept - 60)[1]["status"] == "pending"
    status, found, _ = asked_after(kept + 60)
    assert (status, found["requestId"], found["status"]) == (200, body["requestId"], "failed")
    assert found["error"]["type"] == "urn:llmmanager:problem:lost"


def test_a_bad_request_is_refused_at_once_even_if_it_may_be_answered_later(call, queue):
    assert call("POST", "/v1/converse", {}, headers={"Prefer": "respond-async"})[0] == 400
    assert queue() == []


def test_a_request_sent_twice_is_queued_once(call, queue):
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}

    assert (
        call("POST", "/v1/converse", QUESTION, headers=headers)[1]
        == (call("POST", "/v1/converse", QUESTION, headers=headers)[1])
    )
    assert len(queue()) == 1


def test_without_a_queue_the_answer_comes_at_once(call):
    assert call("POST", "/v1/converse", QUESTION, headers={"Prefer": "respond-async"})[0] == 200


@pytest.mark.parametrize("id_", ["unknown", "a%2Fb", "a" * 81, "ü"])
def test_an_unknown_request_is_not_found(call, id_):
    assert call("GET", f"/v1/requests/{id_}")[0] == 404


# ---- what a body may hold


def test_an_answer_that_breaks_a_rule_is_asked_for_again(call, deployed):
    rules = {"mustContain": ["no model would say this"], "retries": 1}

    status, problem, _ = call("POST", "/v1/converse", {**QUESTION, "responseValidation": rules})

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:answer-refused")
    assert len(problem["attempts"]) == len(deployed.calls) > 1
    assert problem["errors"][0] == "mustContain[0]: the answer does not contain it"


def test_an_answer_that_keeps_the_rules_is_given(call, deployed):
    status, *_ = call("POST", "/v1/converse", {**QUESTION, "responseValidation": {"minLength": 1}})

    assert (status, len(deployed.calls)) == (200, 1)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"responseValidation": {"pattern": "(a+)+("}}, "responseValidation.pattern: "),
        ({"aws_secret_access_key": "x"}, "aws_secret_access_key: credentials"),
        ({"Authorization": "Bearer x"}, "Authorization: credentials"),
        ({"x-api-key": "x"}, "x-api-key: credentials"),
    ],
)
def test_what_a_body_may_not_hold_is_refused_by_field(call, deployed, more, field):
    status, problem, _ = call("POST", "/v1/converse", {**QUESTION, **more})

    assert status == 400
    assert problem["errors"][0].startswith(field)
    assert not deployed.calls


@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        ("s3://bucket-of-another-team/a.png", True),
        ("s3://batches-of-the-test/inputs/a.png", True),
        ("s3://batches-of-the-test/requests/a.png", False),
        ("s3://someone-elses/a.png", False),
    ],
)
def test_files_are_read_from_configured_buckets_only(call, uri, taken):
    image = {"image": {"format": "png", "source": {"s3Location": {"uri": uri}}}}
    body = {"messages": [{"role": "user", "content": [image, {"text": "What is it?"}]}]}

    _, found, _ = call("POST", "/v1/validate", body)

    assert found["valid"] is taken
    place = "messages[0].content[0].image.source.s3Location.uri: "
    assert taken or found["errors"][0].startswith(place)


def test_a_body_is_checked_without_calling_a_model(call, deployed):
    assert call("POST", "/v1/validate", QUESTION)[:2] == (200, {"valid": True, "errors": []})
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


def test_a_batch_is_started_with_the_options_that_it_was_sent_with(call, machine, records):
    status, body, _ = call("POST", "/v1/batches", {"requests": records(1), **OPTIONS})

    assert status == 202
    assert json.loads(described(body["batchId"])["input"]).items() >= OPTIONS.items()


@pytest.mark.parametrize(
    "wrong",
    [
        {"responseValidation": {"retries": 9}},
        {"failureStrategy": "never"},
        {"deadlineSeconds": 0},
        {"retryStrategy": "any"},
        {"resultOrder": "random"},
        {"models": ["Nova Lite"], "responseValidation": {"jsonSchema": {"const": "a" * 250_000}}},
    ],
)
def test_options_that_a_batch_does_not_take_are_refused_at_once(call, machine, records, wrong):
    status, problem, _ = call("POST", "/v1/batches", {"requests": records(1), **wrong})

    assert status == 400
    assert problem["errors"][0].split(":")[0].split(".")[0] in {*wrong, "body"}
    assert machine.keys() == []


# ---- executions


def test_a_request_that_every_target_finds_invalid_is_the_callers_to_mend(call, deployed):
    deployed.add_fault(Fault(error="ValidationException", message="temperature is not for this model"))

    status, problem, _ = call("POST", "/v1/converse", QUESTION)

    assert (status, problem["type"]) == (400, "urn:llmmanager:problem:invalid-request")
    assert "temperature is not for this model" in problem["errors"][0]


def described(name):
    arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    return boto3.client("stepfunctions").describe_execution(executionArn=f"{arn}:{name}")


@pytest.fixture
def batch(call, machine, records):
    """A batch that runs; its id."""
    return call("POST", "/v1/batches", {"requests": records(2)})[1]["batchId"]


def test_a_batch_is_stopped_and_taken_up_again_under_its_own_id(call, batch):
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
def test_an_unknown_batch_is_neither_stopped_nor_taken_up(call, machine, action, id_):
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


def test_a_batch_that_was_taken_up_again_is_listed_once_as_it_goes_now(call, machine, records):
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
def test_a_list_that_cannot_be_given_is_refused_by_parameter(call, machine, query):
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
def test_a_service_that_fails_or_is_asked_too_often_makes_the_caller_wait(call, machine, code, http_status):
    with Stubber(clients.step_functions()) as step_functions:
        step_functions.add_client_error("list_executions", code, http_status_code=http_status)
        status, problem, headers = call("GET", "/v1/batches")

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:busy")
    assert int(headers["Retry-After"]) > 0


def test_a_service_that_is_not_reached_makes_the_caller_wait(call, monkeypatch):
    once = Config(retries={"total_max_attempts": 1})
    unreachable = boto3.client("stepfunctions", endpoint_url="http://127.0.0.1:1", config=once)
    monkeypatch.setattr(clients, "step_functions", lambda: unreachable)

    status, problem, headers = call("GET", "/v1/batches")

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:busy")
    assert int(headers["Retry-After"]) > 0


# ---- access and health


def test_every_way_in_to_a_model_is_told(call):
    status, body, _ = call("GET", "/v1/models/Claude%20Haiku%204.5/access")

    assert status == 200
    assert body["modelId"] == "anthropic.claude-haiku-4-5-20251001-v1:0"
    ways = body["regions"]["us-east-1"]
    assert ways["accessMethods"] == ["geographic_profile", "global_profile"]
    assert ways["accessMethod"] == ways["accessMethods"][0]
    assert ways["inferenceProfileId"].startswith("us.")


def test_access_can_be_asked_for_in_one_region(call):
    status, body, _ = call("GET", "/v1/models/Nova Lite/access", query={"region": "us-west-2"})

    assert (status, list(body["regions"])) == (200, ["us-west-2"])


def test_a_region_or_model_that_is_not_there_is_told(call):
    assert call("GET", "/v1/models/Nova Lite/access", query={"region": "eu-west-9"})[0] == 400
    assert call("GET", "/v1/models/GPT/access")[0] == 404
    assert call("GET", "/v1/models//access")[0] == 404


def test_the_api_tells_that_it_lives_and_how_old_its_knowledge_is(call):
    status, body, _ = call("GET", "/v1/health")

    assert (status, body["status"], body["models"]) == (200, "ok", ["Nova Lite", "Nova Micro"])
    assert set(body["accessDataAgeSeconds"]) == set(body["regions"])


# ---- large answers


def test_an_answer_too_large_for_lambda_is_shown_the_way_to(call, machine, monkeypatch):
    monkeypatch.setattr("lambdas.http_api.handler.MAX_BODY_BYTES", 100)

    status, body, headers = call("POST", "/v1/converse", QUESTION)

    assert status == 303
    assert headers["Location"] == body["resultUrl"]
    assert body["expiresInSeconds"] == large_answers.LINK_SECONDS
    url = urllib3.util.parse_url(body["resultUrl"])
    assert "X-Amz-Expires=900" in url.query
    (key,) = machine.keys("requests/")
    assert url.path.endswith(key)
    assert json.loads(machine.read(key))["text"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
def test_the_link_leads_to_the_regions_own_host_and_is_good_for_a_quarter_of_an_hour(
    deployed, cold_start, monkeypatch, region
):
    bucket = f"in-{region}"
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("LLMMANAGER_BUCKET", bucket)
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    boto3.client("s3", region_name=region).create_bucket(Bucket=bucket, **where)
    cold_start()

    url = urllib3.util.parse_url(large_answers.put_aside(b"{}").headers["Location"])

    signed = dict(parse_qsl(url.query))
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    assert (url.scheme, url.host) == ("https", f"{bucket}.s3.{region}.{suffix}")
    assert signed["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert signed["X-Amz-Expires"] == "900"
    assert f"/{region}/s3/aws4_request" in signed["X-Amz-Credential"]


def test_the_link_needs_nothing_but_itself(deployed):
    link = large_answers.put_aside(b'{"text":"much"}').headers["Location"]

    assert http.get(link, timeout=PATIENCE_SECONDS).json() == {"text": "much"}


def test_what_is_just_small_enough_fits_into_what_lambda_takes(call, machine, monkeypatch):
    worst = '"' * (large_answers.MAX_BODY_BYTES // 2 - 1)
    body = json.dumps(worst)
    assert len(body) <= large_answers.MAX_BODY_BYTES
    assert len(json.dumps({"body": body})) < 6_291_456


def test_ids_of_requests_are_not_guessed(call, queue):
    later = {"headers": {"Prefer": "respond-async"}}
    ids = {call("POST", "/v1/converse", QUESTION, **later)[1]["requestId"] for _ in range(20)}
    assert len({id_.partition("-")[2] for id_ in ids}) == 20
