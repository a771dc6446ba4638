"""`python -m tests.benchmarks.fake_table`: a DynamoDB on loopback, which counts its calls.

It has the operations that the functions use on the tables of the catalog, of API keys and of usage, as far
as they use them. The items of all tables are in one dictionary. A call takes very little time, so that
benchmarks measure the functions.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_Item = dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two packets: with Nagle's algorithm the second waits for the first one's receipt.
    disable_nagle_algorithm = True
    items: ClassVar[dict[tuple[str, ...], _Item]] = {}
    calls: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        with self.lock:
            self.calls[operation] += 1
            answer = getattr(self, operation)(request)
        self._send(answer)

    def do_GET(self) -> None:
        self._send(dict(self.calls))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the calls are counted."""

    def PutItem(self, request: _Item) -> _Item:
        item = request["Item"]
        self.items[_key(item)] = item
        return {}

    def GetItem(self, request: _Item) -> _Item:
        item = self.items.get(_key(request["Key"]))
        return {} if item is None else {"Item": item}

    def BatchGetItem(self, request: _Item) -> _Item:
        (table, wanted), *_ = request["RequestItems"].items()
        keys = [_key(key) for key in wanted["Keys"]]
        found = [self.items[key] for key in keys if key in self.items]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def Query(self, request: _Item) -> _Item:
        (value,) = request["ExpressionAttributeValues"].values()
        wanted = value["S"]
        return {"Items": [item for key, item in self.items.items() if key[0] == wanted]}

    def TransactWriteItems(self, request: _Item) -> _Item:
        """Run all writes. A failed condition is an error of the benchmark, so that it is not measured."""
        writes = [next(iter(write.items())) for write in request["TransactItems"]]
        for _, write in writes:
            if not _is_met(write, self.items.get(_key(write.get("Item") or write["Key"]))):
                raise ValueError(f"the condition of a write is not met: {write}")
        for action, write in writes:
            if action == "Put":
                self.items[_key(write["Item"])] = write["Item"]
            elif action == "Delete":
                del self.items[_key(write["Key"])]
            else:
                _update(self.items.setdefault(_key(write["Key"]), dict(write["Key"])), write)
        return {}

    def _send(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _is_met(write: _Item, item: _Item | None) -> bool:
    """Whether one of the conditions that " OR " separates is met. A write without a condition is met."""
    condition = write.get("ConditionExpression")
    return condition is None or any(_holds(part, write, item or {}) for part in condition.split(" OR "))


def _holds(condition: str, write: _Item, item: _Item) -> bool:
    if condition.startswith("attribute_not_exists("):
        return _name(condition.partition("(")[2].rstrip(")"), write) not in item
    name, operator, value = condition.split()
    compare = {"=": int.__eq__, "<=": int.__le__}[operator]
    stored = item.get(_name(name, write))
    return stored is not None and compare(int(stored["N"]), int(_value(value, write)["N"]))


def _update(item: _Item, write: _Item) -> None:
    """Run an expression with ADD for numbers and, after it, SET."""
    added, _, set_ = write["UpdateExpression"].removeprefix("ADD ").partition(" SET ")
    for part in added.split(", "):
        name, value = (read(text, write) for read, text in zip((_name, _value), part.split(), strict=True))
        item[name] = {"N": str(int(item.get(name, {"N": "0"})["N"]) + int(value["N"]))}
    for part in filter(None, set_.split(", ")):
        name, value = part.split(" = ")
        item[_name(name, write)] = _value(value, write)


def _name(text: str, write: _Item) -> Any:
    return write.get("ExpressionAttributeNames", {}).get(text, text)


def _value(text: str, write: _Item) -> Any:
    return write["ExpressionAttributeValues"][text]


def _key(item: _Item) -> tuple[str, ...]:
    """Return the partition key and the sort key of an item, or the id of a key."""
    return tuple(item[name]["S"] for name in ("pk", "sk", "id") if name in item)


def main() -> None:
    """Serve until the process is ended; prints the address first."""
    # Of connections that are made at the same time.
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
