"""DynamoDB on loopback for several threads and processes: moto, with atomic and idempotent transactions.

It also is an EventBridge that accepts all events.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb import models
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

_AWS_URL = "https://dynamodb.us-east-1.amazonaws.com/"
Answer = tuple[int, bytes]
"""Status and body of a response."""
LOST: Answer = (0, b"")
"""Closes the connection in place of a response."""


class DynamoDBServer:
    """A DynamoDB endpoint.

    moto is not atomic under threads, so one request runs at a time. It ignores ClientRequestToken, so that of
    a successful transaction is remembered here, as DynamoDB does.

    Attributes:
        url: the endpoint.
        requests: the operations and bodies of all requests, in order.
        remembers_tokens: whether a repeated ClientRequestToken has no effect. Some emulators ignore tokens.
        before: called with operation and body before each request. It may return a response, which is sent
            instead of running the request.
        after: called with operation and body after each request that ran. It may return a response, which is
            sent instead of the real one.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str, dict[str, Any]], Answer | None] = lambda *_: None
        self.after: Callable[[str, dict[str, Any]], Answer | None] = lambda *_: None
        self.remembers_tokens = True
        self._lock = threading.Lock()
        self._stubber = BotocoreStubber()
        self._transactions: dict[str, dict[str, Any]] = {}

    def client(self, **config: Any) -> Any:
        """Return a client, with settings of botocore's Config."""
        return client_of(self.url, **config)

    def stored(self, table: str, partition: str) -> dict[str, dict[str, Any]]:
        """Return the items of a partition by their sort keys, without a request."""
        items = _table(table).items.get(DynamoType({"S": partition}), {})
        return {key.value: item.to_json()["Attributes"] for key, item in items.items()}

    def create_table(self, name: str) -> None:
        """Create a table with the string keys `pk` and `sk`."""
        self.client().create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )

    def answer(self, body: bytes, headers: Any) -> Answer:
        """Run a request and return its response."""
        operation = headers["X-Amz-Target"].partition(".")[2]
        parameters = json.loads(body)
        with self._lock:
            self.requests.append((operation, parameters))
            return self.before(operation, parameters) or self._run(operation, parameters, body, headers)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The entries that were put to event buses."""
        return [
            entry
            for operation, parameters in self.requests
            if operation == "PutEvents"
            for entry in parameters["Entries"]
        ]

    def _run(self, operation: str, parameters: dict[str, Any], body: bytes, headers: Any) -> Answer:
        if operation == "PutEvents":
            return 200, b'{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}'
        token = parameters.get("ClientRequestToken")
        if token in self._transactions and self.remembers_tokens:
            if self._transactions[token] != parameters:
                return error_answer("IdempotentParameterMismatchException")
            return 200, b"{}"
        written = _writes(parameters)
        stored = [copy.deepcopy(items.get(key)) for items, key in written]
        request = AWSPreparedRequest("POST", _AWS_URL, dict(headers), body, stream_output=False)
        result = self._stubber.process_request(request)
        assert result is not None
        status, _, text = result
        if status != 200:
            for (items, key), item in zip(written, stored, strict=True):
                items.pop(key, None)
                if item is not None:
                    items[key] = item
        if token is not None and status == 200:
            self._transactions[token] = parameters
        return self.after(operation, parameters) or (
            status,
            text.encode() if isinstance(text, str) else text,
        )


def _writes(parameters: dict[str, Any]) -> list[tuple[dict[Any, Any], Any]]:
    """Return where moto keeps the items that a transaction writes: a partition, and a key in it."""
    places = []
    for write in parameters.get("TransactItems", ()):
        (action,) = write.values()
        key = action.get("Key") or action["Item"]
        places.append((_table(action["TableName"]).items[DynamoType(key["pk"])], DynamoType(key["sk"])))
    return places


def _table(name: str) -> Table:
    return dynamodb_backends[ACCOUNT_ID]["us-east-1"].tables[name]


def _copy_unless_table(value: Any) -> Any:
    return value if isinstance(value, Table) else copy.deepcopy(value)


def error_answer(code: str, *, status: int = 400, **members: Any) -> Answer:
    """Return the response of an error of DynamoDB."""
    return status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **members}).encode()


def client_of(url: str, **config: Any) -> Any:
    """Return a client of an endpoint, with settings of botocore's Config."""
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(**config),
    )


@contextmanager
def dynamodb_server() -> Iterator[DynamoDBServer]:
    """Run a DynamoDB endpoint without tables."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = running.answer(body, self.headers)
            if status == 0:
                # The response is lost.
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

        def handle_error(self, *_: Any) -> None:
            """A killed client is not an error of the server."""

    # moto copies the table several times in each transaction, to roll back. The server above does that.
    fast_copy = SimpleNamespace(copy=copy.copy, deepcopy=_copy_unless_table)
    dynamodb_backends.reset()
    with patch.object(models, "copy", fast_copy), Server(("127.0.0.1", 0), Handler) as server:
        running = DynamoDBServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
