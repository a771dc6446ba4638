"""What the HTTP API does not reveal to callers and logs, and how it rejects malicious requests."""

from __future__ import annotations

import json
import os

import boto3
import pytest

from lambdas.http_api.handler import handler
from llmmanager.testing import Fault

SECRET = "wJalrXUtnFEMI-and-the-launch-code"
REQUEST = {"messages": [{"role": "user", "content": [{"text": f"Is {SECRET} a good password?"}]}]}
CREDENTIALS = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "awsSessionToken",
    "AWS-Secret-Access-Key",
    "Authorization",
    "auth",
    "auth_config",
    "authConfig",
    "credentials",
    "bearer_token",
    "password",
    "profile_name",
    "x-api-key",
]


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request and returns status and text."""

    def send(method, path, body=None):
        response = handler(proxy_event(method, path, body), context)
        return response["statusCode"], response["body"]

    return send


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("path", ["/v1/converse", "/v1/batches", "/v1/validate"])
def test_credentials_in_a_body_are_rejected_by_name_and_not_returned_or_logged(
    call, machine, deployed, logged, records, path, name
):
    body = {"requests": records(1)} if path == "/v1/batches" else REQUEST
    status, text = call("POST", path, {**body, name: SECRET})

    result = json.loads(text)
    assert status == (200 if result.get("valid") is False else 400)
    assert any(error.startswith(f"{name}: ") for error in result["errors"])
    assert SECRET not in text + logged()
    assert not deployed.calls
    assert machine.keys() == []


@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_in_a_record_are_rejected(call, machine, name):
    status, text = call("POST", "/v1/batches", {"requests": [{**REQUEST, name: SECRET}]})

    assert status == 400
    assert SECRET not in text
    assert machine.keys() == []


FILES = [
    ("s3://bucket-of-another-team/a.png", True),
    ("s3://batches-of-the-test/inputs/a.png", True),
    ("s3://batches-of-the-test/inputs/../requests/someone/result.json", True),  # a key like any other in S3
    ("s3://batches-of-the-test/requests/someone/result.json", False),
    ("s3://batches-of-the-test/batches/someone/results.jsonl", False),
    ("s3://batches-of-the-test/inputs", False),
    ("s3://another-bucket/inputs/a.png", False),
    ("https://bucket-of-another-team.s3.amazonaws.com/a.png", False),
]


@pytest.mark.parametrize(("uri", "allowed"), FILES)
@pytest.mark.parametrize("key", ["s3Location", "s3\\u004cocation"])
def test_a_record_reads_files_only_from_input_locations(machine, uri, allowed, key):
    image = {"image": {"format": "png", "source": {"KEY": {"uri": uri}}}}
    record = {"messages": [{"role": "user", "content": [image, {"text": "What is it?"}]}]}
    spelled = [{"recordId": "flat", **record}, {"recordId": "nested", "modelInput": record}]
    lines = [json.dumps(line).replace("KEY", key).encode() + b"\n" for line in spelled]

    machine.plan({"inputS3Uri": machine.put(lines)})

    assert machine.planned["rejected"] == (0 if allowed else 2)


def test_an_unexpected_error_reveals_no_details(call, deployed, machine, records, logged):
    boto3.client("s3").delete_bucket(Bucket=os.environ["LLMMANAGER_BUCKET"])

    status, text = call("POST", "/v1/batches", {"requests": records(1), "models": ["Nova Lite"]})

    problem = json.loads(text)
    assert status == 500
    assert set(problem) == {"type", "title", "status", "detail", "errors", "requestId"}
    for detail in ("Traceback", ".py", "NoSuchBucket", os.environ["LLMMANAGER_BUCKET"], "botocore"):
        assert detail not in text
    assert "NoSuchBucket" in logged()
    assert "Question 0?" not in logged()


@pytest.mark.parametrize("error", ["ValidationException", "AccessDeniedException", "InternalServerException"])
def test_the_prompt_of_a_failed_request_is_not_logged(call, deployed, logged, error):
    deployed.add_fault(Fault(error=error, message=f"Invalid: {SECRET}"))

    status, _ = call("POST", "/v1/converse", REQUEST)

    assert status in (400, 503)
    assert logged()
    assert SECRET not in logged()


@pytest.mark.parametrize("depth", [101, 5_000, 200_000])
def test_a_body_that_is_nested_too_deep_is_rejected(call, deployed, depth):
    nested = '{"messages":' + "[" * depth + "]" * depth + "}"
    for path in ("/v1/converse", "/v1/batches", "/v1/validate"):
        status, text = call("POST", path, nested)
        assert (status, "levels deep" in text) == (400, True)


def test_a_body_of_lambdas_maximum_size_is_rejected_like_any_other(call, deployed):
    status, text = call("POST", "/v1/converse", {"messages": "x" * 6_000_000})

    assert status == 400
    assert len(text) < 10_000


@pytest.mark.parametrize("deep", [False, True], ids=["many fields", "files at a large depth"])
def test_a_body_with_very_many_problems_is_rejected_like_any_other(call, deployed, deep):
    invalid = {f"field{number}": 1 for number in range(20_000)}
    if deep:
        files = [{"s3Location": {}}] * 2_000
        for _ in range(80):
            files = {"\N{GRINNING FACE}" * 80: files}
        invalid = {"additionalModelRequestFields": files}
    status, text = call("POST", "/v1/converse", {**REQUEST, **invalid})

    assert status == 400
    assert "has more problems than the" in text
