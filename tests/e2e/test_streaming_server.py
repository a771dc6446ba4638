"""The local server of the streaming API reads routes, code and authorizer from the emulator."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.deployed_stack import Stack
from local.emulator import running_emulator
from local.processes import ACCOUNT, REGION, ROOT, LocalRunError
from local.streaming.running import running_streamed_apis
from tests.integration.lambdas.streaming_runtime.loopback_api import Handler, Listener
from tests.integration.local.streaming.http_client import Call, call

pytestmark = pytest.mark.e2e

HANDLER = """
import os, socket
from collections.abc import Iterator
import boto3
from lambdas.streamed_response import StreamedResponse

def handler(event, context):
    gate = socket.create_connection(("127.0.0.1", int(event["body"])))
    def body() -> Iterator[bytes]:
        yield event["requestContext"]["authorizer"]["owner"].encode()
        gate.recv(1)
        yield boto3.client("sts").get_caller_identity()["Arn"].encode()
    return StreamedResponse(200, {"x-function": context.function_name}, body())
"""
AUTHORIZER = """
def handler(event, context):
    if event["headers"]["Authorization"] != "Bearer right":
        raise Exception("Unauthorized")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "key-1", "policyDocument": policy, "context": {"owner": "team"}}
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
WRAPPER = "/var/task/lambdas/streaming_wrapper"


def code(handler: str) -> bytes:
    """Return a zip file with the streaming runtime and a module with a handler."""
    files = [ROOT / "lambdas" / name for name in ("__init__.py", "streamed_response.py", "streaming_wrapper")]
    files += sorted((ROOT / "lambdas" / "streaming_runtime").glob("*.py"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("code_of_test.py", handler)
        for file in files:
            archive.write(file, file.relative_to(ROOT))
    return content.getvalue()


@dataclass
class Deployment:
    """Resources in an emulator, created one by one."""

    stack: Stack

    def role(self) -> str:
        created = self.stack.client("iam").create_role(
            RoleName="function", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        return str(created["Role"]["Arn"])

    def function(self, name: str, handler: str, *, role: str, variables: dict[str, str]) -> str:
        created = self.stack.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="code_of_test.handler",
            Code={"ZipFile": code(handler)},
            Environment={"Variables": variables},
        )
        return str(created["FunctionArn"])

    def api(self, *, function: str, authorizer: str) -> None:
        """Create POST /chat, for holders of keys."""
        client: Any = self.stack.client("apigateway")
        api = client.create_rest_api(name="streaming")["id"]
        root = client.get_resources(restApiId=api)["items"][0]["id"]
        chat = client.create_resource(restApiId=api, parentId=root, pathPart="chat")["id"]
        keys = client.create_authorizer(
            restApiId=api,
            name="keys",
            type="REQUEST",
            authorizerUri=integration("2015-03-31", authorizer, "invocations"),
            identitySource="method.request.header.Authorization",
        )["id"]
        method = {"restApiId": api, "resourceId": chat, "httpMethod": "POST"}
        client.put_method(**method, authorizationType="CUSTOM", authorizerId=keys)
        client.put_integration(
            **method,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=integration("2021-11-15", function, "response-streaming-invocations"),
            responseTransferMode="STREAM",
        )
        client.put_gateway_response(
            restApiId=api,
            responseType="UNAUTHORIZED",
            statusCode="401",
            responseTemplates={"application/json": '{"error": {"message": $context.error.messageString}}'},
        )
        client.create_deployment(restApiId=api, stageName="v1")


def integration(date: str, function: str, action: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/{date}/functions/{function}/{action}"


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as started:
        yield started


def test_the_deployed_function_streams_behind_the_deployed_authorizer(
    started: ExitStack, tmp_path: Path
) -> None:
    emulator = started.enter_context(running_emulator(port=None, folder=tmp_path, check_permissions=True))
    deployment = Deployment(Stack(emulator.endpoint_url, {}, emulator.certificate))

    def serve(folder: str) -> dict[str, str]:
        return started.enter_context(
            running_streamed_apis(
                deployment.stack, port=0, folder=tmp_path / folder, environment=emulator.environment
            )
        )

    assert serve("without an API") == {}
    role = deployment.role()
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER}
    streaming = deployment.function("streaming", HANDLER, role=role, variables=variables)
    authorizer = deployment.function("authorizer", AUTHORIZER, role=role, variables={})
    deployment.api(function=streaming, authorizer=authorizer)
    urls = serve("api")
    assert list(urls) == ["v1"]
    port = int(urls["v1"].removeprefix("http://127.0.0.1:").removesuffix("/v1"))

    status, _, body = call(port, "/v1/chat", headers={"Authorization": "Bearer wrong"}, body=b"")
    assert (status, json.loads(body)) == (401, {"error": {"message": "Unauthorized"}})

    gate = started.enter_context(Listener())
    headers = {"Authorization": "Bearer right"}
    with Call(port, "/v1/chat", headers=headers, body=str(gate.port).encode()) as one:
        handler = Handler(gate.accept_connection())
        status, answered = one.head()
        assert status == 200
        assert ("x-function", "streaming") in answered
        assert one.chunk() == b"team"
        handler.open_gate()
        assert one.chunk().decode() == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/streaming"
        assert one.chunk() == b""

    client = deployment.stack.client("lambda")
    client.update_function_configuration(FunctionName="streaming", Environment={"Variables": {}})
    with pytest.raises(LocalRunError, match="its variable AWS_LAMBDA_EXEC_WRAPPER does not name a file"):
        serve("without a wrapper")
