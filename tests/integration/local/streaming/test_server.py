"""The local server of the streaming API, with a real process of the streaming runtime."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.streaming.authorization import Authorization
from local.streaming.server import StreamingGateway, build_server
from tests.integration.lambdas.streaming_runtime.loopback_api import Handler, Listener
from tests.integration.local.streaming.conftest import BINARY, LambdaEndpoint, Serve, api
from tests.integration.local.streaming.http_client import Call, call
from tests.waiting import PATIENCE_SECONDS

ALLOW = {
    "principalId": "key-1",
    "policyDocument": {"Statement": [{"Effect": "Allow", "Resource": "arn:aws:execute-api:*:*:api1/v1/*"}]},
    "context": {"owner": "team", "budget": 5, "admin": True, "note": None},
}


def pieces(*data: bytes, **more: Any) -> dict[str, Any]:
    return {"pieces": [base64.b64encode(piece).decode() for piece in data], **more}


def test_status_headers_cookies_and_body_are_those_of_the_function(serve_handler: Serve) -> None:
    served = serve_handler("pieces")
    event = pieces(
        b"one",
        b"two",
        status=201,
        headers={"Content-Type": "text/plain", "x-text": "größer", "Content-Length": "5"},
        cookies=["a=1", "b=2"],
    )
    with Call(served.port, "/v1/open", event=event) as one:
        status, headers = one.head()
        assert status == 201
        assert ("content-type", "text/plain") in headers
        assert ("x-text", "größer") in headers
        assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]
        assert ("transfer-encoding", "chunked") in headers
        assert "content-length" not in dict(headers)
        assert [one.chunk(), one.chunk(), one.chunk()] == [b"one", b"two", b""]


def test_many_clients_connect_before_the_server_accepts_one(tmp_path: Path) -> None:
    gateway = StreamingGateway({"v1": api(300)}, Authorization(None), {}, tmp_path / "log")
    with build_server(gateway, port=0) as server, ExitStack() as connected:
        address = ("127.0.0.1", server.server_port)
        for _ in range(64):
            connected.enter_context(socket.create_connection(address, PATIENCE_SECONDS))


def test_each_piece_arrives_before_the_next_one_exists(serve_handler: Serve, gate: Listener) -> None:
    served = serve_handler("gated")
    with Call(served.port, "/v1/open", event={"port": gate.port}) as one:
        handler = Handler(gate.accept_connection())
        assert one.head()[0] == 200
        for number in range(3):
            handler.open_gate()
            assert one.chunk() == b"piece %d" % number
        assert one.chunk() == b""


def test_a_process_serves_one_invocation_after_the_other(serve_handler: Serve, gate: Listener) -> None:
    served = serve_handler("pieces", limit=1)
    for number in range(3):
        assert call(served.port, "/v1/open", event=pieces(b"%d" % number))[2] == b"%d" % number


def test_calls_run_at_the_same_time(serve_handler: Serve, gate: Listener) -> None:
    served = serve_handler("gated")
    event = {"port": gate.port, "count": 1}
    with Call(served.port, "/v1/open", event=event) as one, Call(served.port, "/v1/open", event=event) as two:
        for handler in [Handler(gate.accept_connection()), Handler(gate.accept_connection())]:
            handler.open_gate()
        assert one.whole()[2] == two.whole()[2] == b"piece 0"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_none(serve_handler: Serve, method: str, status: int) -> None:
    served = serve_handler("pieces")
    with Call(served.port, "/v1/open", method=method, event=pieces(b"body", status=status)) as one:
        found, headers = one.head()
        assert found == status
        assert "transfer-encoding" not in dict(headers)
        assert one.rest() == b""


def test_the_function_gets_the_event_of_api_gateway(
    serve_handler: Serve, lambda_endpoint: LambdaEndpoint
) -> None:
    lambda_endpoint.results["Bearer 1"] = ALLOW
    served = serve_handler("echo")
    _, headers, body = call(
        served.port,
        "/v1/closed/a%20b?x=1&x=2&y=",
        headers={"Authorization": "Bearer 1", "User-Agent": "test", "X-Two": "1", "x-two": "2"},
        body=b'{"messages": "Hello!"}',
    )
    event = json.loads(body)["event"]
    context = event["requestContext"]
    assert event["resource"] == "/closed/{name}"
    assert event["path"] == "/closed/a%20b"
    assert event["httpMethod"] == "POST"
    assert event["headers"]["X-Two"] == "2"
    assert event["multiValueHeaders"]["X-Two"] == ["1", "2"]
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert event["pathParameters"] == {"name": "a b"}
    assert event["stageVariables"] == {"color": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"messages": "Hello!"}', False)
    assert context["authorizer"] == {"principalId": "key-1", "owner": "team", "budget": "5", "admin": "true"}
    assert context["stage"] == "v1"
    assert context["path"] == "/v1/closed/a%20b"
    assert context["resourcePath"] == "/closed/{name}"
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "test"}
    assert context["requestId"] == headers["x-amzn-requestid"]
    assert json.loads(body)["context"]["aws_request_id"] == context["requestId"]


def test_a_binary_body_is_base64(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    data = bytes(range(256))
    headers = {"Content-Type": f"{BINARY}; version=1"}
    _, _, body = call(served.port, "/v1/open", headers=headers, body=data)
    event = json.loads(body)["event"]
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == data


def test_a_preflight_request_reaches_the_function(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    _, _, body = call(
        served.port, "/v1/open", method="OPTIONS", headers={"Origin": "https://a.example"}, body=b""
    )
    event = json.loads(body)["event"]
    assert (event["httpMethod"], event["body"]) == ("OPTIONS", None)


@pytest.mark.parametrize("path", ["/v1/missing", "/v1", "/v1/closed/a"])
def test_an_unknown_path_or_method_is_rejected(serve_handler: Serve, path: str) -> None:
    served = serve_handler("echo")
    status, headers, body = call(
        served.port, path, method="GET", body=b"", headers={"Origin": "https://a.example"}
    )
    assert status == 403
    assert json.loads(body)["error"] == {
        "type": "MISSING_AUTHENTICATION_TOKEN",
        "message": "Missing Authentication Token",
    }
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-origin"] == "https://a.example"


@pytest.mark.parametrize("path", ["/", "/prod/open"])
def test_an_unknown_stage_is_rejected(serve_handler: Serve, path: str) -> None:
    served = serve_handler("echo")
    status, _, body = call(served.port, path, body=b"")
    assert (status, json.loads(body)) == (403, {"message": "Forbidden"})


def test_a_signed_route_rejects_requests_without_a_signature(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    assert call(served.port, "/v1/signed", event={})[0] == 403
    assert call(served.port, "/v1/signed", event={}, headers={"Authorization": "Bearer 1"})[0] == 403


def test_the_function_gets_the_caller_of_a_signed_request(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/execute-api/aws4_request"
    _, _, body = call(served.port, "/v1/signed", event={}, headers={"Authorization": signature})
    identity = json.loads(body)["event"]["requestContext"]["identity"]
    assert identity["userArn"] == "arn:aws:iam::000000000000:root"


def test_a_body_above_10_mb_is_rejected(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    headers = {"Content-Length": str(10 * 1024 * 1024 + 1)}
    status, _, body = call(served.port, "/v1/open", headers=headers, body=b"")
    assert (status, json.loads(body)["error"]["message"]) == (413, "Request Too Long")


def test_an_event_above_lambdas_limit_is_rejected(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    status, _, body = call(served.port, "/v1/open", body=b'"' * 4 * 1024 * 1024)
    assert (status, json.loads(body)["error"]["message"]) == (413, "Request Too Long")


def test_an_invalid_length_is_rejected(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    assert call(served.port, "/v1/open", headers={"Content-Length": "-1"}, body=b"")[0] == 400


def test_a_chunked_request_is_rejected(serve_handler: Serve) -> None:
    served = serve_handler("echo")
    status, _, body = call(served.port, "/v1/open", headers={"Transfer-Encoding": "chunked"}, body=b"")
    assert status == 400
    assert "Content-Length" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("result", "status", "message"),
    [
        ("Unauthorized", 401, "Unauthorized"),
        ("table not found", 500, None),
        ({"principalId": "key-1"}, 500, "Internal server error"),
        (
            {"principalId": "a", "policyDocument": {"Statement": []}},
            403,
            "User is not authorized to access this resource",
        ),
        (
            {
                "principalId": "a",
                "policyDocument": {
                    "Statement": [
                        {"Effect": "Allow", "Resource": "*"},
                        {"Effect": "Deny", "Resource": ["arn:aws:execute-api:*/v1/POST/closed/*"]},
                    ]
                },
            },
            403,
            "User is not authorized to access this resource with an explicit deny in an identity-based "
            "policy",
        ),
    ],
)
def test_a_request_that_the_authorizer_does_not_allow_is_rejected(
    serve_handler: Serve, lambda_endpoint: LambdaEndpoint, result: Any, status: int, message: str | None
) -> None:
    lambda_endpoint.results["Bearer 1"] = result
    served = serve_handler("echo")
    found, _, body = call(served.port, "/v1/closed/a", headers={"Authorization": "Bearer 1"})
    assert (found, json.loads(body)["error"]["message"]) == (status, message)


def test_the_authorizer_gets_the_event_of_api_gateway(
    serve_handler: Serve, lambda_endpoint: LambdaEndpoint
) -> None:
    lambda_endpoint.results["Bearer 1"] = ALLOW
    served = serve_handler("echo")
    call(served.port, "/v1/closed/a", headers={"Authorization": "Bearer 1"})
    (event,) = lambda_endpoint.events
    assert event["type"] == "REQUEST"
    assert event["methodArn"] == "arn:aws:execute-api:us-east-1:000000000000:api1/v1/POST/closed/a"
    assert event["headers"]["Authorization"] == "Bearer 1"
    assert event["requestContext"]["resourcePath"] == "/closed/{name}"
    assert "body" not in event


def test_a_policy_is_cached_by_the_key(serve_handler: Serve, lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint.results.update({"Bearer 1": ALLOW, "Bearer 2": ALLOW})
    served = serve_handler("echo")
    for key in ("Bearer 1", "Bearer 1", "Bearer 2", "Bearer 1"):
        assert call(served.port, "/v1/closed/a", headers={"Authorization": key})[0] == 200
    assert [event["headers"]["Authorization"] for event in lambda_endpoint.events] == ["Bearer 1", "Bearer 2"]


def test_with_a_cache_a_request_without_a_key_is_rejected_without_the_authorizer(
    serve_handler: Serve, lambda_endpoint: LambdaEndpoint
) -> None:
    served = serve_handler("echo")
    assert call(served.port, "/v1/closed/a")[0] == 401
    assert lambda_endpoint.events == []


def test_without_a_cache_every_request_asks_the_authorizer(
    serve_handler: Serve, lambda_endpoint: LambdaEndpoint
) -> None:
    lambda_endpoint.results.update({"Bearer 1": ALLOW, "": "Unauthorized"})
    served = serve_handler("echo", cache_seconds=0)
    for _ in range(2):
        assert call(served.port, "/v1/closed/a", headers={"Authorization": "Bearer 1"})[0] == 200
    assert call(served.port, "/v1/closed/a")[0] == 401
    assert len(lambda_endpoint.events) == 3


@pytest.mark.parametrize("handler", ["fails", "returns_a_dict"])
def test_an_error_before_the_response_is_api_gateways_502(serve_handler: Serve, handler: str) -> None:
    served = serve_handler(handler)
    for _ in range(2):
        status, _, body = call(served.port, "/v1/open", event={})
        assert (status, json.loads(body)) == (502, {"message": "Internal server error"})
    assert "FunctionFailed" in served.log.read_text()


def test_an_error_during_the_response_leaves_it_incomplete(serve_handler: Serve) -> None:
    served = serve_handler("fails_in_body", limit=1)
    for _ in range(2):
        with Call(served.port, "/v1/open", event={}) as one:
            assert one.head()[0] == 200
            assert one.chunk() == b"first"
            assert one.rest() == b""
    assert "ValueError" in served.log.read_text()


def test_a_process_that_ends_is_replaced(serve_handler: Serve) -> None:
    served = serve_handler("exits", limit=1)
    assert call(served.port, "/v1/open", event={"before": True})[0] == 502
    with Call(served.port, "/v1/open", event={}) as one:
        assert one.head()[0] == 200
        assert one.chunk() == b"first"
        assert one.rest() == b""
    assert call(served.port, "/v1/open", event={"before": True})[0] == 502


def test_a_handler_that_cannot_be_imported_is_a_502(serve_handler: Serve) -> None:
    served = serve_handler("missing")
    assert call(served.port, "/v1/open", event={})[0] == 502
    assert "the handler cannot be imported" in served.log.read_text()


def test_a_function_that_times_out_is_a_502_and_its_process_is_replaced(
    serve_handler: Serve, gate: Listener
) -> None:
    served = serve_handler("sleeper", timeout_seconds=1, limit=1)
    for _ in range(2):
        assert call(served.port, "/v1/open", event={"port": gate.port, "before": True})[0] == 502
    assert "FunctionTimedOut" in served.log.read_text()


def test_a_client_that_disconnects_during_the_response_ends_the_body(
    serve_handler: Serve, gate: Listener
) -> None:
    served = serve_handler("gated", limit=1)
    event = {"port": gate.port, "count": 1_000_000}
    with Call(served.port, "/v1/open", event=event) as one:
        handler = Handler(gate.accept_connection())
        one.head()
        handler.open_gate()
        assert one.chunk() == b"piece 0"
    # The body ends at the first piece after the server noticed the disconnect.
    assert handler.open_gate_until_line() == "closed"
    with Call(served.port, "/v1/open", event={"port": gate.port, "count": 1}) as two:
        handler = Handler(gate.accept_connection())
        handler.open_gate()
        assert two.whole()[2] == b"piece 0"


def test_a_client_that_disconnects_before_the_response_frees_the_process(
    serve_handler: Serve, gate: Listener
) -> None:
    served = serve_handler("held", limit=1)
    with Call(served.port, "/v1/open", event={"port": gate.port}):
        first = Handler(gate.accept_connection())
    first.open_gate()
    with Call(served.port, "/v1/open", event={"port": gate.port}) as two:
        Handler(gate.accept_connection()).open_gate()
        assert two.whole()[2] == b"all"
