"""`python -m tests.benchmarks.fake_table`: a DynamoDB with one table on loopback, which counts its calls.

It knows the three operations that the functions use on the catalog's table, as far as they use them, and
takes next to no time: what a benchmark measures beside it is our own.
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
    items: ClassVar[dict[tuple[str, str], _Item]] = {}
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
        self.items[item["pk"]["S"], item["sk"]["S"]] = item
        return {}

    def BatchGetItem(self, request: _Item) -> _Item:
        (table, wanted), *_ = request["RequestItems"].items()
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in wanted["Keys"]]
        return {"Responses": {table: [self.items[key] for key in keys if key in self.items]}}

    def Query(self, request: _Item) -> _Item:
        wanted = request["ExpressionAttributeValues"][":pk"]["S"]
        return {"Items": [item for (partition, _), item in self.items.items() if partition == wanted]}

    def _send(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until the process is ended; prints the address first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
