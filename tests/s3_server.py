"""S3 on loopback for several threads and processes: moto behind an HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import s3_backends

from tests.waiting import PATIENCE_SECONDS

_AWS_URL = "https://s3.us-east-1.amazonaws.com"


def s3_client(url: str) -> Any:
    """Return a client of an S3 endpoint."""
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            s3={"addressing_style": "path"}, read_timeout=PATIENCE_SECONDS, retries={"total_max_attempts": 1}
        ),
    )


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an empty S3 and yield its URL."""
    stubber, lock = BotocoreStubber(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = AWSPreparedRequest(
                self.command, f"{_AWS_URL}{self.path}", dict(self.headers), body, stream_output=False
            )
            with lock:
                response = stubber.process_request(request)
            assert response is not None
            status, headers, content = response
            data = content.encode() if isinstance(content, str) else content
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    self.send_header(name, str(value))
            length = {key.lower(): value for key, value in headers.items()}.get("content-length")
            self.send_header("Content-Length", str(length if self.command == "HEAD" else len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        s3_backends.reset()
