"""Controlling FakeBedrock from another process: endpoints, config file, command."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from llmmanager.testing import FakeBedrock
from llmmanager.testing.__main__ import main
from tests.waiting import PATIENCE_SECONDS


def tell(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{url}/_fake/{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_rules_added_over_http_apply(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    rules = {
        "faults": [{"error": "ThrottlingException", "region": "us-east-1", "count": 1}],
        "quotas": [{"requests_per_minute": 0, "model": "acme.plain"}],
        "latencies": [{"seconds": [0.0, 0.01], "per_chunk": 0.0}],
        "denied": [{"model": "acme.fixed"}],
        "closed_regions": ["us-west-2"],
        "rejected_credentials": {"AKIASTALE": "ExpiredTokenException"},
    }
    status, answer = tell(bedrock.endpoint_url, "POST", "rules", rules)
    assert status == 200
    assert len(answer["faults"]) == 1
    assert error_of(send_prompt)[0] == "ThrottlingException"
    send_prompt()
    assert error_of(send_prompt, modelId="acme.plain")[0] == "ThrottlingException"
    assert error_of(send_prompt, modelId="acme.fixed")[0] == "AccessDeniedException"
    assert error_of(send_prompt, region="us-west-2")[0] == "UnrecognizedClientException"
    stale = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=bedrock.endpoint_url,
        aws_access_key_id="AKIASTALE",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    request: Any = {"modelId": "acme.talk-v1:0", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert error_of(stale.converse, **request)[0] == "ExpiredTokenException"


def test_faults_are_listed_and_removed_over_http(bedrock: FakeBedrock, send_prompt: Any) -> None:
    url = bedrock.endpoint_url
    _, answer = tell(url, "POST", "rules", {"faults": [{"hang": True}, {"reset": True}]})
    first, second = answer["faults"]
    assert tell(url, "GET", "faults")[1][str(first)]["hang"] is True
    assert tell(url, "DELETE", f"faults/{first}") == (200, {})
    assert list(tell(url, "GET", "faults")[1]) == [str(second)]
    assert tell(url, "DELETE", "faults") == (200, {})
    send_prompt()


def test_jobs_are_set_and_listed_over_http(bedrock: FakeBedrock) -> None:
    url = bedrock.endpoint_url
    rules = {
        "s3_endpoint": "http://127.0.0.1:9",
        "jobs": {"start_seconds": 2, "min_records": 1},
        "job_faults": [{"outcome": "failed"}],
    }
    assert tell(url, "POST", "rules", rules) == (200, {"faults": []})
    assert tell(url, "POST", "rules", {"jobs": {"record_seconds": 0.5}})[0] == 200
    assert tell(url, "GET", "jobs") == (200, {"settings": JOB_SETTINGS, "jobs": []})
    assert tell(url, "DELETE", "job_faults") == (200, {})


JOB_SETTINGS = {
    "start_seconds": 2,
    "record_seconds": 0.5,
    "job_seconds": 0.0,
    "stop_seconds": 0.0,
    "hour_seconds": 3600.0,
    "min_records": 1,
    "max_records": 50_000,
    "max_file_bytes": 1024**3,
    "max_job_bytes": 5 * 1024**3,
    "max_open_jobs": 100,
}


def test_calls_health_and_reset_over_http(bedrock: FakeBedrock, send_prompt: Any) -> None:
    url = bedrock.endpoint_url
    send_prompt()
    send_prompt()
    calls = tell(url, "GET", "calls")[1]["calls"]
    assert [call["operation"] for call in calls] == ["Converse", "Converse"]
    assert [call["number"] for call in tell(url, "GET", "calls?after=1")[1]["calls"]] == [2]
    assert tell(url, "GET", "health") == (200, {"status": "ok", "in_flight": 0})
    bedrock.set_quota(requests_per_minute=0)
    assert tell(url, "DELETE", "quotas")[0] == 200
    send_prompt()
    assert tell(url, "POST", "reset")[0] == 200
    assert bedrock.calls == ()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("POST", "rules", b"{", 400, ""),
        ("POST", "rules", [], 400, "must be an object"),
        ("POST", "rules", {"faults": {}}, 400, "faults must be a list"),
        ("POST", "rules", {"faults": [{"hang": True}, {"hang": True, "share": 2}]}, 400, "faults[1]: share"),
        ("POST", "rules", {"faults": [{"mistake": "X"}]}, 400, "faults[0].mistake is unknown"),
        ("POST", "rules", {"faults": ["X"]}, 400, "faults[0] must be an object"),
        ("POST", "rules", {"closed_regions": [1]}, 400, "closed_regions"),
        ("POST", "rules", {"rejected_credentials": ["A"]}, 400, "rejected_credentials"),
        ("POST", "rules", {"jobs": {"speed": 2}}, 400, "jobs.speed is unknown"),
        ("POST", "rules", {"jobs": {"start_seconds": -1}}, 400, "jobs: start_seconds"),
        ("POST", "rules", {"job_faults": [{"outcome": "odd"}]}, 400, "job_faults[0]: outcome"),
        ("POST", "rules", {"s3_endpoint": 1}, 400, "s3_endpoint must be str"),
        ("POST", "rules", {"seed": 1}, 400, "seed can be set only at the start"),
        ("POST", "rules", {"colour": "red"}, 400, "colour is unknown"),
        ("DELETE", "faults/99", None, 404, "faults/99"),
        ("DELETE", "faults/x", None, 400, ""),
        ("GET", "calls?after=x", None, 400, ""),
        ("GET", "nothing", None, 404, "nothing"),
    ],
)
def test_an_invalid_request_changes_nothing_and_returns_the_reason(
    bedrock: FakeBedrock, method: str, path: str, body: Any, status: int, named: str
) -> None:
    answered, answer = tell(bedrock.endpoint_url, method, path, body)
    assert answered == status
    assert named in answer["message"]
    assert bedrock.faults == {}


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-m", "llmmanager.testing", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def printed(process: subprocess.Popen[str]) -> list[str]:
    """Return the lines that the command prints before its first call."""
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip("\n")]
    while not lines[-1].startswith("export no_proxy="):
        assert lines[-1] or len(lines) == 1, lines
        lines.append(process.stdout.readline().rstrip("\n"))
    return lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_url_and_ends_cleanly(number: signal.Signals) -> None:
    with start("--port", "0", "--quiet") as process:
        line = printed(process)[0]
        assert line.startswith("FakeBedrock listening on http://127.0.0.1:")
        assert tell(line.rpartition(" ")[2], "GET", "health")[0] == 200
        process.send_signal(number)
        rest = process.communicate(timeout=PATIENCE_SECONDS)
    assert rest == ("", "")
    assert process.returncode == 0


PROGRAM = """
import boto3
answer = boto3.client("bedrock-runtime").converse(
    modelId="amazon.nova-micro-v1:0", messages=[{"role": "user", "content": [{"text": "Hello"}]}]
)
boto3.client("bedrock", region_name="us-west-2").list_foundation_models()
print(answer["usage"]["inputTokens"])
"""
HOSTILE = {
    "AWS_BEARER_TOKEN_BEDROCK": "key",
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_SESSION_TOKEN": "stale",
    "AWS_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.mark.parametrize("before", [{}, HOSTILE], ids=["clean", "hostile"])
def test_the_printed_commands_direct_a_shell_to_fake_bedrock(before: dict[str, str], tmp_path: Path) -> None:
    with start("--port", "0", "--quiet") as process:
        address, *lines = printed(process)
        program = f"{shlex.quote(sys.executable)} -c {shlex.quote(PROGRAM)}"
        shell = subprocess.run(
            ["/bin/sh", "-eu"],
            input="\n".join((*lines, program)),
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], **before},
            cwd=tmp_path,
            timeout=PATIENCE_SECONDS,
        )
        calls = tell(address.rpartition(" ")[2], "GET", "calls")[1]["calls"]
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
    assert (shell.stdout, shell.stderr) == ("2\n", "")
    assert [(call["operation"], call["region"], call["access_key_id"]) for call in calls] == [
        ("Converse", "us-east-1", "testing"),
        ("ListFoundationModels", "us-west-2", "testing"),
    ]


def test_the_command_reads_settings_from_a_file_and_prints_its_calls(tmp_path: Path) -> None:
    config = tmp_path / "bedrock.json"
    config.write_text(
        json.dumps(
            {
                "default_region": "eu-west-1",
                "seed": 3,
                "models": [{"model_id": "acme.talk", "on_demand": ["eu-west-1"]}],
                "faults": [{"error": "ModelNotReadyException", "count": 1}],
            }
        )
    )
    with start("--config", str(config)) as process:
        url = printed(process)[0].rpartition(" ")[2]
        request = urllib.request.Request(
            f"{url}/model/acme.talk/converse",
            data=b'{"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}',
            headers={"Authorization": "Bearer anyone"},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
        caught.value.close()
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            assert response.status == 200
        process.terminate()
        lines = process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines()
    assert lines[0].startswith("Converse eu-west-1 acme.talk 429 ModelNotReadyException ")
    assert lines[1].startswith("Converse eu-west-1 acme.talk 200 ok ")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("{", "Expecting"),
        ("[]", "must contain a JSON object"),
        ('{"colour": 1}', "colour is unknown"),
        ('{"port": "http"}', "port must be int"),
        ('{"seed": true}', "seed must be int"),
        ('{"window_seconds": 0}', "window_seconds must be more than 0"),
        ('{"models": [{"name": "Talk"}]}', "models[0]"),
        (
            '{"models": [{"model_id": "a.b", "on_demand": "us-east-1"}]}',
            "models[0]: on_demand must be a list",
        ),
        (
            '{"models": [{"model_id": "a.b", "profiles": {"us": "us-east-1"}}]}',
            "models[0]: profiles must map",
        ),
        ('{"models": [{"model_id": "a.b", "sampling": "any"}]}', "models[0]: sampling must be one of"),
        ('{"quotas": [{"tokens": 1}]}', "quotas[0].tokens is unknown"),
        ('{"backend_model": "llama"}', "backend_url"),
    ],
)
def test_the_command_rejects_settings_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, named: str
) -> None:
    config = tmp_path / "bedrock.json"
    config.write_text(settings)
    assert main(["--config", str(config)]) == 2
    assert named in capsys.readouterr().err


def test_the_command_rejects_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
