"""`call()` of docs/http-api.md: what it sends to the API, and to the target of a redirect (303)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http-api.md").read_text("utf-8")
(CODE,) = re.findall(r"```python\n((?:(?!```).)*?def call\(.*?)\n\n\ndef ", PAGE, re.DOTALL)

# S3 rejects these headers in addition to the authentication in a link.
SIGNATURE = ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")


class Service(ThreadingHTTPServer):
    """Sends the given response, and records the headers of each request."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = (status, json.dumps(body).encode(), headers or {})
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def _respond(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers))
        status, body, more = self.server.answer
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _respond

    def log_message(self, *_: object) -> None:
        """Do not log."""


@pytest.fixture
def bucket() -> Iterator[Service]:
    yield from serving(Service(200, {"text": "a long answer"}))


@pytest.fixture
def api(bucket: Service) -> Iterator[Service]:
    link = f"{bucket.url}/requests/1/result.json?X-Amz-Signature=abc"
    yield from serving(Service(303, {"resultUrl": link}, {"Location": link}))


def serving(service: Service) -> Iterator[Service]:
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    with service:
        yield service
        service.shutdown()
        thread.join()


@pytest.mark.parametrize(("method", "body"), [("POST", {"messages": []}), ("GET", None)])
def test_the_example_follows_the_link_to_a_large_answer_without_its_signature(
    api: Service, bucket: Service, monkeypatch: pytest.MonkeyPatch, method: str, body: Any
) -> None:
    for name, value in {
        "API_URL": f"{api.url}/prod/",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "us-east-1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    example: dict[str, Any] = {}
    exec(CODE, example)

    assert example["call"](method, "/v1/converse", body) == {"text": "a long answer"}

    ((sent_method, path, sent),) = api.seen
    assert (sent_method, path) == (method, "/prod/v1/converse")
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert sent["x-amz-security-token"] == "token"
    ((followed_method, followed_path, followed),) = bucket.seen
    assert (followed_method, followed_path) == ("GET", "/requests/1/result.json?X-Amz-Signature=abc")
    assert [name for name in followed if name in SIGNATURE] == []
