"""Attempts as X-Ray's daemon receives them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.shared import traces
from llmmanager import RequestAttempt

ROOT, PARENT = "1-67000000-0123456789abcdef01234567", "53995c3f42cd8ad8"
STARTED = datetime(2026, 11, 23, 1, 0, 0, 250_000, tzinfo=UTC)
ANSWERED = RequestAttempt(
    model_id="amazon.nova-lite-v1:0",
    region="us-east-1",
    access_method="on_demand",
    attempt_number=1,
    start_time=STARTED,
    end_time=STARTED + timedelta(seconds=1.5),
    success=True,
)


def service_error(code: str, status: int) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "a secret prompt"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Converse")


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The daemon's socket. The invocation is sampled."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:a:0")
        yield listening


def received(daemon: socket.socket) -> list[dict[str, Any]]:
    found = []
    while True:
        try:
            header, _, document = daemon.recv(65_536).partition(b"\n")
        except BlockingIOError:
            return found
        assert json.loads(header) == {"format": "json", "version": 1}
        found.append(json.loads(document))


def test_an_attempt_is_a_subsegment_of_the_function(daemon: socket.socket) -> None:
    traces.send_attempts([ANSWERED])
    (document,) = received(daemon)
    assert re.fullmatch("[0-9a-f]{16}", document.pop("id"))
    assert document == {
        "type": "subsegment",
        "trace_id": ROOT,
        "parent_id": PARENT,
        "name": "amazon.nova-lite-v1:0@us-east-1",
        "namespace": "remote",
        "start_time": STARTED.timestamp(),
        "end_time": STARTED.timestamp() + 1.5,
        "annotations": {
            "model": "amazon.nova-lite-v1:0",
            "region": "us-east-1",
            "access_method": "on_demand",
            "attempt": 1,
        },
    }


@pytest.mark.parametrize(
    ("error", "code", "flags"),
    [
        (service_error("ThrottlingException", 429), "ThrottlingException", {"error", "throttle"}),
        (service_error("ValidationException", 400), "ValidationException", {"error"}),
        (service_error("ServiceUnavailableException", 503), "ServiceUnavailableException", {"fault"}),
        (ReadTimeoutError(endpoint_url="bedrock"), "ReadTimeoutError", {"fault"}),
    ],
)
def test_a_failed_attempt_has_the_flags_of_x_ray_and_no_message(
    daemon: socket.socket, error: Exception, code: str, flags: set[str]
) -> None:
    traces.send_attempts([replace(ANSWERED, success=False, error=error, decision="other_region")])
    (document,) = received(daemon)
    assert {flag for flag in ("error", "throttle", "fault") if document.get(flag)} == flags
    assert document["annotations"]["error"] == code
    assert document["annotations"]["decision"] == "other_region"
    assert "a secret prompt" not in json.dumps(document)


def test_every_attempt_of_a_recorded_call_has_its_own_subsegment(daemon: socket.socket) -> None:
    failed = replace(ANSWERED, success=False, error=service_error("ThrottlingException", 429))
    attempts = [failed, replace(ANSWERED, region="us-west-2", attempt_number=2)]
    traces.send_attempts(attempts)
    documents = received(daemon)
    assert [document["annotations"]["region"] for document in documents] == ["us-east-1", "us-west-2"]
    assert len({document["id"] for document in documents}) == 2


def test_the_address_of_the_daemon_may_have_two_parts(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = daemon.getsockname()[1]
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"tcp:127.0.0.1:1 udp:127.0.0.1:{port}")
    traces.send_attempts([ANSWERED])
    assert len(received(daemon)) == 1


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"Root={ROOT}",
        f"Root={ROOT};Parent={PARENT}",
        f"Root={ROOT};Parent={PARENT};Sampled=0",
        f"Root={ROOT};Sampled=1",
        "Sampled=1;;=;",
    ],
)
def test_a_request_that_is_not_sampled_sends_nothing(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    if header is None:
        monkeypatch.delenv("_X_AMZN_TRACE_ID")
    else:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    traces.send_attempts([ANSWERED])
    assert received(daemon) == []


@pytest.mark.parametrize("address", [None, "", "nowhere", "127.0.0.1:port", "127.0.0.1:99999"])
def test_an_unreachable_daemon_is_ignored(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    if address is None:
        monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS")
    else:
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    traces.send_attempts([ANSWERED])


def test_tracing_does_not_import_the_x_ray_sdk() -> None:
    probe = "import sys, lambdas.shared.traces\nprint('aws_xray_sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=Path(__file__).resolve().parents[4],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
