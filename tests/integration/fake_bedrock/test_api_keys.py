"""Bedrock API keys: a bearer token instead of a signature."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

HELLO: Any = {
    "modelId": "acme.talk-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
}


def short_term_key(region: str) -> str:
    """A key as AWS's token generator makes it: a presigned URL that names its region."""
    url = (
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=AKIA%2F20261129%2F{region}%2Fbedrock%2Faws4_request&Version=1"
    )
    return "bedrock-api-key-" + base64.b64encode(url.encode()).decode()


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSKlongterm")
    return monkeypatch


def use(bedrock: FakeBedrock, patch: pytest.MonkeyPatch) -> None:
    for name, value in bedrock.environment.items():
        patch.setenv(name, value)


def test_a_client_of_fake_bedrock_signs_for_its_region_in_any_environment(
    api_key: pytest.MonkeyPatch, bedrock: FakeBedrock
) -> None:
    bedrock.client(region="us-west-2").converse(**HELLO)
    bedrock.client("bedrock", region="eu-west-1").list_foundation_models()
    assert [call.region for call in bedrock.calls] == ["us-west-2", "eu-west-1"]


def test_the_environment_directs_a_client_with_an_api_key_to_fake_bedrock(
    api_key: pytest.MonkeyPatch, bedrock: FakeBedrock
) -> None:
    use(bedrock, api_key)
    client = boto3.client("bedrock-runtime", region_name="us-west-2")
    client.converse(**HELLO)
    list(client.converse_stream(**HELLO)["stream"])
    client.close()
    assert [(call.access_key_id, call.status) for call in bedrock.calls] == [("ABSKlongterm", 200)] * 2


def test_a_short_term_key_contains_its_region(api_key: pytest.MonkeyPatch, bedrock: FakeBedrock) -> None:
    api_key.setenv("AWS_BEARER_TOKEN_BEDROCK", short_term_key("us-west-2"))
    use(bedrock, api_key)
    client = boto3.client("bedrock-runtime", region_name="us-west-2")
    client.converse(**HELLO)
    client.close()
    assert bedrock.calls[-1].region == "us-west-2"


def test_an_api_key_can_be_rejected_with_bedrocks_message(
    api_key: pytest.MonkeyPatch, bedrock: FakeBedrock, error_of: Any
) -> None:
    words = "Authentication failed: Please make sure your API Key is valid."
    bedrock.reject_credentials("ABSKlongterm", error="AccessDeniedException", message=words)
    use(bedrock, api_key)
    client = boto3.client("bedrock-runtime", region_name="us-west-2")
    assert error_of(client.converse, **HELLO) == ("AccessDeniedException", 403, words)
    client.close()


def test_the_fixture_removes_an_api_key_from_the_environment(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        "import boto3, os\n"
        "pytest_plugins = ['llmmanager.testing.pytest_plugin']\n"
        "def test_it(fake_bedrock):\n"
        "    messages = [{'role': 'user', 'content': [{'text': 'Hi'}]}]\n"
        "    client = boto3.client('bedrock-runtime', region_name='us-west-2')\n"
        "    client.converse(modelId='amazon.nova-lite-v1:0', messages=messages)\n"
        "    assert [call.region for call in fake_bedrock.calls] == ['us-west-2']\n"
    )
    hostile = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "AWS_BEARER_TOKEN_BEDROCK": "key",
        "AWS_PROFILE": "missing",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        cwd=tmp_path,
        env=hostile,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_stopping_removes_the_certificate(catalog: Any) -> None:
    with FakeBedrock(catalog) as bedrock:
        assert bedrock.https_endpoint_url.startswith("https://127.0.0.1:")
        certificate = bedrock.certificate
        assert certificate.exists()
    assert not certificate.exists()
    with pytest.raises(RuntimeError, match="not running"):
        _ = bedrock.https_endpoint_url
