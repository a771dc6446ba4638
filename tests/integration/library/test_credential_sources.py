"""Whatever goes wrong where credentials come from is an AuthenticationError, in a parallel run too."""

from __future__ import annotations

import http.server
import json
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationError,
    AuthenticationType,
    BedrockConverseRequest,
    LLMManagerError,
)
from llmmanager.bedrock.transport import credentials
from llmmanager.bedrock.transport.clients import ClientPool

KEYS = {"Version": 1, "AccessKeyId": "key", "SecretAccessKey": "secret", "SessionToken": "token"}
PROFILES = {
    "stays expired": "credential_process = {printing:expired}",
    "odd date": "credential_process = {printing:odd_date}",
    "half of it": "credential_process = {printing:half}",
    "not JSON": "credential_process = {printing:text}",
    "no JSON object": "credential_process = {printing:list}",
    "not UTF-8": "credential_process = {printing:bytes}",
    "fails": "credential_process = {printing:nothing}",
    "no such program": "credential_process = /nowhere/to/be/found --now",
    "not a program": "credential_process = {folder}",
    "open quotation": 'credential_process = "get',
    "role without a source": "role_arn = arn:aws:iam::111122223333:role/r",
    "role of a missing profile": "role_arn = arn:aws:iam::111122223333:role/r\nsource_profile = missing",
    "role of an unknown source": "role_arn = arn:aws:iam::111122223333:role/r\ncredential_source = Moon",
    "half a key": "aws_access_key_id = key",
    "signed out of SSO": (
        "sso_start_url = https://example.invalid\nsso_region = us-east-1\n"
        "sso_account_id = 111122223333\nsso_role_name = r"
    ),
    "half an SSO profile": "sso_start_url = https://example.invalid\nsso_account_id = 111122223333",
    "unknown SSO session": "sso_session = missing\nsso_account_id = 111122223333\nsso_role_name = r",
    "signed out of login": "login_session = arn:aws:iam::111122223333:user/u",
}
PRINTED = {
    "expired": json.dumps({**KEYS, "Expiration": "2020-01-01T00:00:00Z"}).encode(),
    "odd_date": json.dumps({**KEYS, "Expiration": "soon"}).encode(),
    "half": json.dumps({"Version": 1, "AccessKeyId": "key"}).encode(),
    "text": b"hush-hush is what I print",
    "list": b"[1]",
    "bytes": b'{"Version": 1, "AccessKeyId": "\xff"}',
}


@pytest.fixture(params=PROFILES)
def profile(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_bedrock) -> str:
    """The default profile of a config file, which does not work."""
    text = PROFILES[request.param].replace("{folder}", str(tmp_path))
    for name, printed in PRINTED.items():
        text = text.replace(f"{{printing:{name}}}", str(program(tmp_path / name, printed, code=0)))
    text = text.replace("{printing:nothing}", str(program(tmp_path / "nothing", b"", code=3)))
    config = tmp_path / "config"
    config.write_text(f"[default]\n{text}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return request.param


def program(path: Path, printed: bytes, *, code: int) -> Path:
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write({printed!r})\nsys.exit({code})\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_call_and_a_stream_raise_an_authentication_error(profile, make_manager, ask, fake_bedrock) -> None:
    manager = make_manager()
    for call in (manager.converse, manager.converse_stream):
        with pytest.raises(AuthenticationError) as raised:
            call(ask)
        assert "hush" not in str(raised.value)
        assert str(raised.value).strip()
    assert fake_bedrock.calls == ()


def test_a_parallel_run_records_it_for_each_request(profile, make_parallel, ask) -> None:
    requests = [BedrockConverseRequest(request_id=str(number), messages=ask) for number in range(5)]
    result = make_parallel().converse_parallel(requests)
    errors = [response.get_last_error() for response in result.request_responses.values()]
    assert [type(error) for error in errors] == [AuthenticationError] * 5
    streamed = list(make_parallel().iter_responses(iter(requests)))
    assert [type(response.get_last_error()) for _, response in streamed] == [AuthenticationError] * 5


def test_the_configuration_is_reported_to_be_invalid_and_a_refresh_fails(profile, make_manager) -> None:
    manager = make_manager()
    report = manager.validate_configuration()
    assert (report["valid"], report["auth_status"]) == (False, "missing")
    with pytest.raises(LLMManagerError):
        manager.refresh_model_data()


def test_a_program_that_hangs_before_it_fails_is_not_run_for_every_request(
    tmp_path, make_parallel, ask, monkeypatch, fake_bedrock
) -> None:
    runs = tmp_path / "runs"
    runs.write_text("")
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nprintf x >> {runs}\nexit 1\n")
    slow.chmod(0o700)
    # Each run takes a second, as the library's clock has it.
    clock = SimpleNamespace(monotonic=lambda: float(len(runs.read_text())))
    monkeypatch.setattr(credentials, "time", clock)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {slow}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    requests = [BedrockConverseRequest(request_id=str(number), messages=ask) for number in range(200)]
    result = make_parallel(parallel={"max_concurrent_requests": 5}).converse_parallel(requests)
    assert len(result.failed_requests) == 200
    assert 1 <= len(runs.read_text()) <= 5


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch, fake_bedrock) -> Iterator[list[bytes]]:
    """What the credentials endpoint of a container says."""
    says: list[bytes] = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(says[0])))
            self.end_headers()
            self.wfile.write(says[0])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        yield says
        server.shutdown()


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"AccessKeyId": "key"}', b"null"])
def test_a_container_whose_endpoint_answers_nonsense_is_an_authentication_error(
    container, make_manager, ask, body
) -> None:
    container.append(body)
    with pytest.raises(AuthenticationError):
        make_manager(auth_config=AuthConfig(AuthenticationType.IAM_ROLE)).converse(ask)


def test_credentials_that_are_there_again_are_used(
    tmp_path, make_manager, ask, monkeypatch, fake_bedrock
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = /nowhere/to/be/found\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    manager = make_manager()
    with pytest.raises(AuthenticationError):
        manager.converse(ask)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert manager.converse(ask).success


def test_a_bedrock_api_key_needs_no_other_credentials(profile, make_manager, monkeypatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
    assert make_manager().validate_configuration()["valid"]
    pool = ClientPool(timeout=5)
    assert pool.client("bedrock-runtime", "us-east-1").meta.region_name == "us-east-1"
    pool.close()


def test_without_any_credentials_one_line_says_what_to_do(
    make_manager, ask, monkeypatch, fake_bedrock
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    manager = make_manager()
    for call in (manager.converse, manager.converse_stream):
        with pytest.raises(AuthenticationError) as raised:
            call(ask)
        (line,) = str(raised.value).splitlines()
        for remedy in ("aws configure", "aws login", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "auth_config"):
            assert remedy in line
        # No second traceback from inside of botocore.
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
    assert manager.validate_configuration()["errors"] == [line]
