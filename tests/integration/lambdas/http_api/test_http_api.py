"""The HTTP API, from the proxy event to the response."""

from __future__ import annotations

import base64
import gzip
import json
import os
import time

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.http_api.handler import handler
from lambdas.shared.converse_request import OPTION_FIELDS
from llmmanager.testing import Fault

MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
INVALID_REQUESTS = [
    (
        {"messages": MESSAGES, "models": ["GPT"]},
        "models: 'GPT' is not configured; configured: Nova Lite, Nova Micro",
    ),
    ({"messages": MESSAGES, "regions": ["eu-west-1"]}, "regions: 'eu-west-1' is not configured"),
    ({"messages": MESSAGES, "regions": []}, "regions: must be a list"),
    ({"messages": MESSAGES, "stream": True}, "stream: unknown field"),
    ({}, "messages: "),
    ({"messages": []}, "messages: "),
    ({"messages": [{"role": "robot", "content": []}]}, "messages[0].role: "),
    ({"messages": MESSAGES, "inferenceConfig": {"maxTokens": "many"}}, "inferenceConfig.maxTokens: "),
]
INVALID_BODIES = [
    None,
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "NaN",
    '{"messages": [], "messages": []}',
    '{"temperature": 1e999}',
    "[" * 100_000,
    '{"a":' * 500 + "1" + "}" * 500,
    '{"a": ' + "9" * 5000 + "}",
]
ROUTES = [
    ("GET", "/", 404),
    ("GET", None, 404),
    ("GET", "/v1", 404),
    ("POST", "/v2/converse", 404),
    ("HEAD", "/nothing", 404),
    ("GET", "/v1/batches/a/b", 404),
    ("GET", "/v1/converse", 405),
    ("HEAD", "/v1/models", 405),
    ("DELETE", "/v1/batches/some-id", 405),
    ("PUT", "/v1/batches", 405),
    (None, "/v1/models", 405),
    ("GET", "/v1/models/", 200),
    ("GET", "//v1/models", 404),
    ("GET", "/v1/models//", 404),
]
INVALID_BATCHES = [
    ({}, "body: must have either requests or inputS3Uri"),
    ({"requests": [{}], "inputS3Uri": "s3://batches-of-the-test/a"}, "body: must have either"),
    ({"requests": []}, "requests: must be a list of 1 to 10000"),
    ({"requests": None}, "requests: must be a list of 1 to 10000"),
    ({"requests": [{}] * 10_001}, "requests: must be a list of 1 to 10000"),
    ({"requests": [{"messages": []}, 3]}, "requests[0].messages: "),
    ({"requests": [{"messages": []}, 3]}, "requests[1]: must be a JSON object (got 3)"),
    ({"requests": [{"messages": MESSAGES}], "models": ["GPT"]}, "models: 'GPT' is not configured"),
    ({"requests": [{"messages": MESSAGES}], "regions": "us-east-1"}, "regions: must be a list"),
    ({"requests": [{"messages": MESSAGES}], "batchId": "a"}, "batchId: unknown field"),
    ({"inputS3Uri": None}, "inputS3Uri: must be s3://bucket/key"),
    ({"requests": None, "inputS3Uri": None}, "body: must have either requests or inputS3Uri"),
    ({"inputS3Uri": "s3://another-bucket/a"}, "inputS3Uri: the bucket must be one of"),
    ({"inputS3Uri": "s3://batches-of-the-test/inputs/"}, "inputS3Uri: must be one file"),
]


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request and returns status and body."""

    def send(method, path, body=None, *, seconds=29, **event):
        context.seconds = seconds
        response = handler({**proxy_event(method, path, body), **event}, context)
        content_type = "application/json" if response["statusCode"] < 400 else "application/problem+json"
        assert response["headers"]["Content-Type"] == content_type
        found = json.loads(response["body"])
        if response["statusCode"] >= 400:
            assert found["status"] == response["statusCode"]
            assert found["type"].startswith("urn:llmmanager:problem:")
            assert {"title", "detail", "errors"} <= set(found)
            assert "Traceback" not in response["body"]
        return response["statusCode"], found

    return send


def test_a_response_has_the_answer_its_attempts_usage_and_cost(call, deployed):
    status, body = call("POST", "/v1/converse", {"messages": MESSAGES, "inferenceConfig": {"maxTokens": 20}})

    assert status == 200
    assert body["text"] == body["modelOutput"]["output"]["message"]["content"][0]["text"]
    assert (body["model"], body["region"]) == ("amazon.nova-lite-v1:0", "us-east-1")
    assert (body["accessMethod"], body["inferenceProfileId"]) == ("on_demand", None)
    assert body["usage"]["outputTokens"] <= 20
    assert body["estimatedCostUsd"] > 0
    assert body["durationMs"] > 0
    (attempt,) = body["attempts"]
    assert attempt["success"]
    assert set(attempt) == {"model", "region", "accessMethod", "durationMs", "success", "error", "usage"}
    assert attempt["usage"] == body["totalUsage"] == body["usage"]
    assert body["warnings"] == body["featuresDisabled"] == []


def test_the_caller_chooses_among_the_configured_models_and_regions(call):
    choice = {"models": ["Nova Micro"], "regions": ["eu-central-1", "us-west-2"]}

    status, body = call("POST", "/v1/converse", {"messages": MESSAGES, **choice})

    assert (status, body["model"], body["region"]) == (200, "amazon.nova-micro-v1:0", "eu-central-1")


def test_another_region_answers_when_the_first_one_throttles_and_the_attempts_show_it(call, deployed):
    deployed.add_fault(Fault(region="us-east-1", error="ThrottlingException"))

    status, body = call("POST", "/v1/converse", {"messages": MESSAGES})

    assert (status, body["region"]) == (200, "us-west-2")
    assert [attempt["success"] for attempt in body["attempts"]] == [False, True]
    assert body["attempts"][0]["error"]["code"] == "ThrottlingException"


def test_an_invalid_request_is_rejected_by_field_before_any_call(call, deployed, subtests):
    for body, names in INVALID_REQUESTS:
        with subtests.test(names):
            status, problem = call("POST", "/v1/converse", body)

            assert (status, problem["type"]) == (400, "urn:llmmanager:problem:invalid-request")
            assert any(error.startswith(names) for error in problem["errors"]), problem["errors"]
    assert not deployed.calls


def test_the_problem_of_an_unknown_field_lists_all_fields(call):
    _, problem = call("POST", "/v1/converse", {"messages": MESSAGES, "model": "Nova Lite"})

    known = problem["errors"][0].removeprefix("model: unknown field; known fields: ").split(", ")
    assert known[0] == "messages"
    assert set(OPTION_FIELDS) < set(known)


def test_a_body_that_is_not_a_json_object_is_rejected(call, subtests):
    for body in INVALID_BODIES:
        for path in ("/v1/converse", "/v1/batches"):
            with subtests.test(path, body=str(body)[:20]):
                status, problem = call("POST", path, body)

                assert status == 400
                assert problem["errors"][0].startswith("body: ")


def test_a_byte_order_mark_before_a_body_is_skipped(call):
    body = "\ufeff" + json.dumps({"messages": MESSAGES})
    encoded = base64.b64encode(body.encode()).decode()

    assert call("POST", "/v1/converse", body)[0] == 200
    assert call("POST", "/v1/converse", encoded, isBase64Encoded=True)[0] == 200


@pytest.mark.parametrize("encoded", [False, True])
def test_a_compressed_body_is_rejected_by_its_content_encoding(call, deployed, encoded):
    packed = gzip.compress(json.dumps({"messages": MESSAGES}).encode())
    # API Gateway passes it as text unless the content type is configured as binary.
    body = base64.b64encode(packed).decode() if encoded else packed.decode("utf-8", "replace")

    status, problem = call(
        "POST", "/v1/converse", body, headers={"content-encoding": "gzip"}, isBase64Encoded=encoded
    )

    assert status == 400
    assert problem["errors"] == ["body: must not be compressed (got Content-Encoding gzip)"]
    assert not deployed.calls


def test_a_compressed_body_without_content_encoding_is_rejected_by_its_content(call):
    body = base64.b64encode(gzip.compress(b"{}")).decode()

    _, problem = call("POST", "/v1/converse", body, isBase64Encoded=True)

    assert problem["errors"] == ["body: not UTF-8 text: it is compressed (gzip)"]


def test_a_request_whose_cold_start_took_all_the_time_calls_no_model(call, deployed):
    received = round((time.time() - 28.5) * 1000)

    status, problem = call(
        "POST", "/v1/converse", {"messages": MESSAGES}, requestContext={"requestTimeEpoch": received}
    )

    assert (status, problem["type"]) == (504, "urn:llmmanager:problem:deadline-exceeded")
    assert not deployed.calls


def test_a_body_in_base64_is_decoded(call):
    body = base64.b64encode(json.dumps({"messages": MESSAGES}).encode()).decode()

    assert call("POST", "/v1/converse", body, isBase64Encoded=True)[0] == 200


def test_a_body_that_is_not_valid_base64_is_rejected(call):
    for body in ("not base64!", "é", "/w=="):
        assert call("POST", "/v1/converse", body, isBase64Encoded=True)[0] == 400


def test_a_body_that_is_not_a_string_is_rejected(proxy_event, context, deployed):
    for encoded in (True, False):
        event = proxy_event("POST", "/v1/converse") | {
            "body": {"messages": MESSAGES},
            "isBase64Encoded": encoded,
        }
        assert handler(event, context)["statusCode"] == 400


def test_an_event_may_have_null_for_optional_fields(proxy_event, context, deployed):
    event = proxy_event("POST", "/v1/converse", {"messages": MESSAGES})
    optional = ("headers", "multiValueHeaders", "queryStringParameters", "pathParameters", "requestContext")

    assert handler(event | dict.fromkeys(optional), context)["statusCode"] == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "text",
                    "system",
                    "models",
                    "requests",
                    "inputS3Uri",
                    "recordId",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["/v1/converse", "/v1/batches"]), JSON)
def test_any_json_is_answered_or_rejected(call, path, data):
    status, _ = call("POST", path, json.dumps(data))

    assert status in (200, 202, 400)


def test_unknown_routes_and_methods_are_rejected(call, subtests):
    for method, path, status in ROUTES:
        with subtests.test(f"{method} {path}"):
            assert call(method, path)[0] == status


def test_an_unsupported_method_returns_the_allowed_ones(proxy_event, context, deployed):
    assert handler(proxy_event("GET", "/v1/converse"), context)["headers"]["Allow"] == "POST"


def test_when_every_target_fails_the_response_has_retry_after_and_the_attempts(
    proxy_event, context, deployed, call
):
    deployed.add_fault(Fault(error="AccessDeniedException"))

    response = handler(proxy_event("POST", "/v1/converse", {"messages": MESSAGES}), context)
    problem = json.loads(response["body"])

    assert response["statusCode"] == 503
    assert int(response["headers"]["Retry-After"]) > 0
    assert problem["type"] == "urn:llmmanager:problem:all-targets-failed"
    assert len(problem["attempts"]) == len(problem["errors"]) == 6
    assert "amazon.nova-lite-v1:0 in us-east-1: AccessDeniedException" in problem["errors"]


def test_a_request_that_exceeds_its_time_returns_504(call, deployed):
    deployed.add_fault(Fault(hang=True))

    status, problem = call("POST", "/v1/converse", {"messages": MESSAGES}, seconds=1.5)

    assert (status, problem["type"]) == (504, "urn:llmmanager:problem:deadline-exceeded")


def test_invalid_credentials_of_the_function_return_502(call, deployed):
    deployed.reject_credentials(os.environ["AWS_ACCESS_KEY_ID"], error="UnrecognizedClientException")

    status, problem = call("POST", "/v1/converse", {"messages": MESSAGES})

    assert (status, problem["errors"]) == (502, [])


def test_a_region_that_the_account_has_not_enabled_is_skipped(call, deployed):
    deployed.add_fault(Fault(region="us-east-1", error="UnrecognizedClientException"))

    responses = [call("POST", "/v1/converse", {"messages": MESSAGES}) for _ in range(3)]

    assert [(status, body["region"]) for status, body in responses] == [(200, "us-west-2")] * 3
    assert [call.region for call in deployed.calls].count("us-east-1") == 1


def test_a_configuration_error_is_logged_and_not_returned(call, cold_start, monkeypatch, logged):
    monkeypatch.delenv("LLMMANAGER_TABLE")
    cold_start()

    status, problem = call("GET", "/v1/models")

    assert (status, problem["requestId"]) == (500, "request-of-the-test")
    assert "LLMMANAGER_TABLE" not in json.dumps(problem)
    assert "EnvironmentVariableError" in logged()


def test_prompts_and_answers_are_not_logged(call, machine, deployed, logged):
    secret = "the-launch-code-is-1234"
    content = [{"role": "user", "content": [{"text": secret}]}]
    _, body = call("POST", "/v1/converse", {"messages": content})
    call("POST", "/v1/converse", {"messages": content, secret: secret})
    machine.run({"requests": [{"messages": content}, {"messages": secret}]})

    assert "planned" in logged()
    assert secret not in logged()
    assert body["text"] not in logged()


# ---- batches


def test_inline_records_become_a_file_and_an_execution(call, machine, records):
    status, body = call("POST", "/v1/batches", {"requests": records(3), "models": ["Nova Micro"]})
    name = body["batchId"]

    assert status == 202
    assert body == {"batchId": name, "status": "running", "links": {"self": f"/v1/batches/{name}"}}
    (execution,) = boto3.client("stepfunctions").list_executions(
        stateMachineArn=os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"]
    )["executions"]
    assert execution["name"] == name
    described = boto3.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    summary = machine.run(json.loads(described["input"]), name=name)
    assert (summary["answered"], summary["byModel"]) == (3, {"amazon.nova-micro-v1:0": 3})


def test_inline_records_may_exceed_the_input_limit_of_step_functions(call, machine, records):
    many = records(2000)
    assert len(json.dumps(many)) > 256 * 1024

    status, body = call("POST", "/v1/batches", {"requests": many})

    assert status == 202
    assert len(machine.lines("input.jsonl", batch=body["batchId"])) == 2000


def test_valid_records_run_although_others_are_invalid(call, machine, records):
    status, body = call("POST", "/v1/batches", {"requests": [{"messages": 1}, None, *records(1)]})
    name = body["batchId"]
    machine.run(
        {"inputS3Uri": f"s3://{os.environ['LLMMANAGER_BUCKET']}/batches/{name}/input.jsonl"}, name=name
    )

    assert status == 202
    assert [line["line"] for line in machine.lines("rejected.jsonl", batch=name)] == [1, 2]
    assert len(machine.lines("results.jsonl", batch=name)) == 1


def test_an_invalid_batch_is_rejected_and_nothing_is_started(call, machine, subtests):
    for body, names in INVALID_BATCHES:
        with subtests.test(names):
            status, problem = call("POST", "/v1/batches", body)

            assert status == 400
            assert any(error.startswith(names) for error in problem["errors"]), problem["errors"]
    assert machine.keys() == []


@pytest.mark.parametrize("named", ["requests", "inputS3Uri"])
def test_an_input_that_is_null_counts_as_missing(call, machine, records, named):
    inputs = {"requests": records(1), "inputS3Uri": machine.put(records(1))}

    status, body = call("POST", "/v1/batches", {**dict.fromkeys(inputs), named: inputs[named]})

    assert (status, body["status"]) == (202, "running")


def test_the_number_of_reported_problems_is_limited(call):
    _, problem = call("POST", "/v1/batches", {"requests": [3] * 500})

    assert len(problem["errors"]) == 101
    assert problem["errors"][-1] == "requests: 400 more problems"


def test_a_running_batch_reports_its_progress(call, machine, records):
    _, body = call("POST", "/v1/batches", {"requests": [*records(60), {"messages": 1}]})
    name = body["batchId"]
    before = call("GET", f"/v1/batches/{name}")
    first, *_ = machine.plan(
        {"inputS3Uri": f"s3://batches-of-the-test/batches/{name}/input.jsonl"}, name=name
    )
    machine.run_shard(first)

    after = call("GET", f"/v1/batches/{name}")

    not_planned = {"records": None, "answered": 0, "failed": 0, "rejected": None}
    payer = {"caller": "unknown", "team": None}
    assert before == (
        200,
        {
            **{"batchId": name, "status": "running", **payer, "progress": not_planned},
            **{"quotaEstimate": None, "lanes": None},
        },
    )
    progress = after[1]["progress"]
    assert progress.items() >= {"records": 61, "answered": 32, "failed": 0, "rejected": 1}.items()
    assert progress["answersPerMinute"] > 0
    assert progress["estimatedEndAt"] is not None
    assert progress["waitingForQuota"] is None


def test_a_finished_batch_returns_its_summary_and_the_uris_of_its_results(call, machine, records):
    summary = machine.run({"requests": records(2)}, name="run-by-hand")

    status, body = call("GET", "/v1/batches/run-by-hand")

    assert (status, body["status"], body["summary"]) == (200, "succeeded", summary)
    assert body["progress"] == {"records": 2, "answered": 2, "failed": 0, "rejected": 0}
    for uri in body["results"].values():
        machine.read(uri.removeprefix("s3://batches-of-the-test/"))


def test_an_unknown_batch_is_not_found(call):
    for name in ("unknown", "a" * 81, "a%2Fb", "ä"):
        assert call("GET", f"/v1/batches/{name}")[0] == 404


def test_a_stopped_batch_reports_its_status_without_a_stack_trace(call, records):
    _, body = call("POST", "/v1/batches", {"requests": records(1)})
    arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
    boto3.client("stepfunctions").stop_execution(
        executionArn=f"{arn}:{body['batchId']}",
        cause=json.dumps({"errorMessage": "no such file", "stackTrace": ["here"]}),
    )

    status, body = call("GET", f"/v1/batches/{body['batchId']}")

    assert (status, body["status"]) == (200, "stopped")
    assert "error" in body
    assert "stackTrace" not in json.dumps(body)


# ---- models


def test_the_configured_models_are_listed_with_their_access_in_each_region(call):
    status, body = call("GET", "/v1/models")

    assert status == 200
    assert [model["name"] for model in body["models"]] == ["Nova Lite", "Nova Micro"]
    lite = body["models"][0]
    assert lite["modelId"] == "amazon.nova-lite-v1:0"
    assert lite["regions"]["us-east-1"] == {
        "accessMethod": "on_demand",
        "inferenceProfileId": None,
        "quotas": {"on_demand": None, "geographic_profile": None},
    }
    assert set(body["refreshedAt"]) == {"us-east-1", "us-west-2", "eu-central-1"}
    assert set(body["refreshedAt"].values()) == {None}
