"""Without AWS credentials, each command reports on one line what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.credentials import missing_credentials
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user without credentials."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


def test_existing_credentials_are_accepted(no_credentials: None, aws_credentials: None) -> None:
    assert missing_credentials() is None


def test_the_error_of_a_credential_provider_is_reported_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = /nowhere/to/be/found\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    line = missing_credentials()
    assert line is not None
    assert "/nowhere/to/be/found" in line
    assert "aws login" in line


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "infra.credentials"],
        ["-m", "infra.outputs"],
        [
            "-m",
            "infra.replay_dlq",
            "--dead-letter-queue-url",
            "https://x/1/d",
            "--request-queue-url",
            "https://x/1/r",
        ],
        ["examples/run_batch.py", "examples/prompts.jsonl"],
    ],
    ids=lambda command: command[-1],
)
def test_a_command_without_credentials_reports_on_one_line_how_to_provide_them(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_DEFAULT_REGION", "BATCH_BUCKET", "BATCH_MACHINE_ARN"):
        monkeypatch.setenv(name, "us-east-1")
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "aws configure" in line
    assert "AWS_PROFILE" in line


def test_make_deploy_checks_credentials_before_it_synthesises() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ndeploy:")[2].partition("\n\n")[0]
    assert recipe.index("infra.credentials") < recipe.index("cdk deploy")
