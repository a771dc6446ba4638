"""The HTTP interface: paths, ids, regions, headers and connections."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import subprocess
import sys
from typing import Any

import boto3
import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog
from tests.waiting import PATIENCE_SECONDS

BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello"}]}]})
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/bedrock/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


@pytest.fixture
def connection(bedrock: FakeBedrock) -> Any:
    link = http.client.HTTPConnection(bedrock.endpoint_url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    yield link
    link.close()


def post(connection: Any, path: str, body: Any = BODY, headers: Any = SIGNED) -> tuple[Any, Any]:
    connection.request("POST", path, body=body, headers=headers)
    response = connection.getresponse()
    return response, json.loads(response.read())


def test_an_answer_has_the_shape_of_botocores_model(send_prompt: Any) -> None:
    answer = send_prompt()
    assert answer["output"]["message"]["role"] == "assistant"
    assert answer["output"]["message"]["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert answer["metrics"]["latencyMs"] >= 1
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("region", "invoked", "access"),
    [
        ("us-east-1", "acme.talk-v1:0", "on_demand"),
        ("us-west-2", "us.acme.talk-v1:0", "geo"),
        ("eu-west-1", "eu.acme.talk-v1:0", "geo"),
        ("eu-west-1", "global.acme.talk-v1:0", "global"),
        ("us-east-1", "arn:aws:bedrock:us-east-1::foundation-model/acme.talk-v1:0", "on_demand"),
        ("us-east-1", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.acme.talk-v1:0", "geo"),
        ("us-east-1", "arn:aws:bedrock:us-east-1:999999999999:inference-profile/us.acme.profiled", "geo"),
    ],
)
def test_a_model_can_be_called_by_id_profile_and_arn(
    bedrock: FakeBedrock, send_prompt: Any, region: str, invoked: str, access: str
) -> None:
    send_prompt(modelId=invoked, region=region)
    call = bedrock.calls[-1]
    assert (call.region, call.invoked_id, call.access_method) == (region, invoked, access)
    assert invoked.endswith(call.model_id)
    assert call.model_id.startswith("acme.")


@pytest.mark.parametrize(
    ("region", "invoked"),
    [
        ("us-east-1", "acme.unheard-of"),
        ("us-east-1", "eu.acme.talk-v1:0"),
        ("eu-west-1", "us.acme.talk-v1:0"),
        ("eu-west-1", "acme.talk-v1:1"),
        ("ap-south-1", "acme.talk-v1:0"),
        ("us-east-1", "arn:aws:bedrock:us-west-2::foundation-model/acme.talk-v1:0"),
        ("us-east-1", "arn:aws:bedrock:us-east-1::foundation-model/us.acme.talk-v1:0"),
        ("us-east-1", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/acme.talk-v1:0"),
    ],
)
def test_an_id_that_is_unknown_in_the_region_is_invalid(
    send_prompt: Any, error_of: Any, region: str, invoked: str
) -> None:
    assert error_of(send_prompt, modelId=invoked, region=region) == (
        "ValidationException",
        400,
        "The provided model identifier is invalid.",
    )


@pytest.mark.parametrize(
    ("region", "invoked"), [("us-east-1", "acme.profiled"), ("eu-west-1", "acme.talk-v1:0")]
)
def test_the_error_for_a_missing_profile_has_a_typographic_apostrophe(
    send_prompt: Any, error_of: Any, region: str, invoked: str
) -> None:
    assert error_of(send_prompt, modelId=invoked, region=region) == (
        "ValidationException",
        400,
        f"Invocation of model ID {invoked} with on-demand throughput isn\u2019t supported. Retry your "
        "request with the ID or ARN of an inference profile that contains this model.",
    )


@pytest.mark.parametrize("invoked", ["acme.gone", "us.acme.gone"])
def test_a_retired_model_has_reached_the_end_of_its_life(
    send_prompt: Any, error_of: Any, invoked: str
) -> None:
    code, status, message = error_of(send_prompt, modelId=invoked)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "reached the end of its life" in message


def test_the_bundled_catalog_contains_current_and_retired_models() -> None:
    catalog = FakeCatalog.bundled()
    assert catalog.resolve("us.anthropic.claude-sonnet-4-6", region="us-east-1").access == "geo"
    assert catalog.resolve("global.anthropic.claude-sonnet-4-6", region="eu-west-1").access == "global"
    assert catalog.resolve("amazon.nova-micro-v1:0", region="us-east-1").access == "on_demand"
    assert catalog.models["anthropic.claude-3-opus-20240229-v1:0"].eol
    assert {"us", "eu", "jp", "au", "global"} <= {p for m in catalog.models.values() for p in m.profiles}


def test_the_region_is_read_from_the_signature(connection: Any, bedrock: FakeBedrock) -> None:
    post(connection, "/model/acme.talk-v1%3A0/converse")
    assert bedrock.calls[-1].region == "us-west-2"
    assert bedrock.calls[-1].access_key_id == "AKIA"


def test_a_bearer_token_selects_the_default_region(connection: Any, bedrock: FakeBedrock) -> None:
    response, _ = post(
        connection, "/model/acme.talk-v1%3A0/converse", headers={"Authorization": "Bearer key"}
    )
    assert (response.status, bedrock.calls[-1].region) == (200, "us-east-1")


@pytest.mark.parametrize(
    ("headers", "code", "status"),
    [
        ({}, "MissingAuthenticationToken", 403),
        ({"Authorization": "AWS4-HMAC-SHA256 x"}, "IncompleteSignature", 400),
    ],
)
def test_an_unsigned_request_is_rejected(connection: Any, headers: Any, code: str, status: int) -> None:
    response, answer = post(connection, "/model/acme.talk-v1%3A0/converse", headers=headers)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (status, code)
    assert response.headers["x-amzn-RequestId"]
    assert set(answer) == {"message"}


def test_an_arn_may_be_unencoded(connection: Any) -> None:
    path = "/model/arn:aws:bedrock:us-west-2::foundation-model/acme.talk-v1:0/converse"
    assert post(connection, path)[0].status == 200


@pytest.mark.parametrize("path", ["/model/acme.talk-v1:0/invoke", "/guardrails", "/"])
def test_an_unknown_operation_is_rejected(connection: Any, path: str) -> None:
    response, _ = post(connection, path)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")


@pytest.mark.parametrize("body", ["{", "\xff\xfe", '["list"]', '"text"', "7"])
def test_a_body_that_is_not_a_json_object_is_a_serialization_error(connection: Any, body: str) -> None:
    response, answer = post(connection, "/model/acme.talk-v1%3A0/converse", body.encode("latin-1"))
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "SerializationException")
    assert answer["message"]


def test_a_body_nested_too_deeply_is_a_serialization_error(connection: Any) -> None:
    gc.disable()  # a finalizer would exceed the recursion limit at this depth
    try:
        response, _ = post(connection, "/model/acme.talk-v1%3A0/converse", "[" * 100_000)
    finally:
        gc.enable()
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "SerializationException")


def test_one_connection_serves_many_requests(connection: Any, bedrock: FakeBedrock) -> None:
    ports = set()
    for _ in range(3):
        assert post(connection, "/model/acme.talk-v1%3A0/converse")[0].status == 200
        ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1
    assert len(bedrock.calls) == 3


def test_a_chunked_request_is_read(connection: Any) -> None:
    chunks = iter([BODY[:10].encode(), BODY[10:].encode()])
    connection.request(
        "POST", "/model/acme.talk-v1%3A0/converse", body=chunks, headers=SIGNED, encode_chunked=True
    )
    assert connection.getresponse().status == 200


def test_a_client_that_expects_100_continue_receives_it(bedrock: FakeBedrock) -> None:
    head = (
        "POST /model/acme.talk-v1%3A0/converse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Authorization: {SIGNED['Authorization']}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(bedrock.endpoint_url.rpartition(":")[2])), 10) as link:
        link.sendall(head.encode())
        assert link.recv(100).startswith(b"HTTP/1.1 100")
        link.sendall(BODY.encode())
        assert link.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"A" * 99_999]
)
def test_invalid_http_is_rejected(bedrock: FakeBedrock, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(bedrock.endpoint_url.rpartition(":")[2])), 10) as link:
        link.sendall(sent)
        assert link.recv(100).startswith(b"HTTP/1.1 400")


def test_fake_bedrock_listens_on_loopback_only(bedrock: FakeBedrock) -> None:
    port = f"{int(bedrock.endpoint_url.rpartition(':')[2]):04X}"
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port}")] == [f"0100007F:{port}"]
    assert bedrock.endpoint_url.startswith("http://127.0.0.1:")


def test_the_environment_directs_any_boto3_client_to_fake_bedrock(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bedrock.environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("bedrock").list_inference_profiles()
    boto3.client("bedrock-runtime", region_name="us-west-2").converse(
        modelId="acme.talk-v1:0", messages=[{"role": "user", "content": [{"text": "Hello"}]}]
    )
    assert [call.operation for call in bedrock.calls] == ["ListInferenceProfiles", "Converse"]
    assert [call.region for call in bedrock.calls] == ["us-east-1", "us-west-2"]


def test_the_fixture_uses_the_bundled_catalog(fake_bedrock: FakeBedrock) -> None:
    answer = boto3.client("bedrock-runtime").converse(
        modelId="amazon.nova-micro-v1:0", messages=[{"role": "user", "content": [{"text": "Hello"}]}]
    )
    assert answer["output"]["message"]["content"]
    assert fake_bedrock.calls[-1].model_id == "amazon.nova-micro-v1:0"


def test_a_native_body_that_is_not_base64_is_rejected(connection: Any) -> None:
    body = json.dumps({"input": {"invokeModel": {"body": "abcde"}}})
    response, _ = post(connection, "/model/acme.talk-v1%3A0/count-tokens", body)
    assert response.headers["x-amzn-ErrorType"] == "SerializationException"


def test_the_url_is_not_available_before_the_start(catalog: FakeCatalog) -> None:
    idle = FakeBedrock(catalog)
    for send_prompt in (lambda: idle.endpoint_url, lambda: idle.environment, idle.client):
        with pytest.raises(RuntimeError, match=r"call start\(\)"):
            send_prompt()
    assert FakeBedrock(catalog, port=8123).endpoint_url == "http://127.0.0.1:8123"


def test_a_stopped_server_frees_its_port_and_can_start_again(catalog: FakeCatalog) -> None:
    bedrock = FakeBedrock(catalog).start()
    url = bedrock.endpoint_url
    with pytest.raises(RuntimeError, match="running already"):
        bedrock.start()
    bedrock.stop()
    bedrock.stop()
    with bedrock:
        assert bedrock.endpoint_url == url
        with pytest.raises(OSError, match="in use"):
            FakeBedrock(catalog, port=int(url.rpartition(":")[2])).start()


def test_importing_testing_does_not_import_boto3() -> None:
    program = "import sys, llmmanager.testing; print({'boto3', 'botocore', 'urllib3'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.parametrize(
    "options",
    [{"window_seconds": 0}, {"page_size": -1}, {"log_limit": 0}, {"backend_url": "http://127.0.0.1:1"}],
)
def test_an_invalid_option_is_named(options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        FakeBedrock(**options)
