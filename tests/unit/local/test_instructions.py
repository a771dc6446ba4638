"""The instructions of `make local` work with any settings of the shell and any path of the checkout."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.outputs import VARIABLES
from llmmanager.testing import FakeBedrock
from local import instructions
from local.deployed_stack import Stack
from local.instructions import how_to_call, shell_settings
from local.running import LocalRun
from tests.clean_shell import paste

ENDPOINT = "http://127.0.0.1:4566"
PRINT_SETTINGS = (
    "env | grep -E '^(AWS_|NO_PROXY|no_proxy|PYTHONPATH|" + "|".join(VARIABLES.values()) + ")' | sort"
)


@pytest.fixture
def run() -> Iterator[LocalRun]:
    variables = {name: f"value of {output}" for output, name in VARIABLES.items()}
    stack: Any = Stack(ENDPOINT, {**variables, "API_URL": f"{ENDPOINT}/restapis/1/prod/_user_request_"})
    emulator: Any = None
    with FakeBedrock() as bedrock:
        yield LocalRun(stack, emulator, bedrock)


def settings_after(commands: str, folder: Path, **environment: str) -> dict[str, str]:
    printed = paste(commands, PRINT_SETTINGS, folder=folder, environment=environment)
    return dict(line.split("=", 1) for line in printed.splitlines())


def test_every_output_and_all_aws_settings_are_exported(run: LocalRun, tmp_path: Path) -> None:
    settings = settings_after(shell_settings(run), tmp_path)
    assert {name: settings[name] for name in VARIABLES.values()} == run.stack.variables
    assert settings["AWS_REGION"] == settings["AWS_DEFAULT_REGION"] == "us-east-1"
    assert settings["AWS_ENDPOINT_URL"] == ENDPOINT
    assert settings["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == run.bedrock.endpoint_url


def test_the_settings_of_the_users_shell_are_replaced(run: LocalRun, tmp_path: Path) -> None:
    clean = settings_after(shell_settings(run), tmp_path)
    dirty = settings_after(
        shell_settings(run),
        tmp_path,
        AWS_PROFILE="production",
        AWS_SESSION_TOKEN="token",
        AWS_BEARER_TOKEN_BEDROCK="token",
        AWS_ENDPOINT_URL_S3="http://127.0.0.1:9",
        AWS_REGION="eu-west-1",
        NO_PROXY="example.com",
    )
    assert dirty == clean


def test_pasting_twice_changes_nothing(run: LocalRun, tmp_path: Path) -> None:
    text = shell_settings(run)
    assert settings_after(f"{text}\n{text}", tmp_path) == settings_after(text, tmp_path)


def test_a_checkout_whose_path_has_spaces_and_quotes_works(
    run: LocalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "my user's checkout $HOME"
    checkout.symlink_to(instructions.ROOT)
    monkeypatch.setattr(instructions, "ROOT", checkout)
    (python,) = [line for line in how_to_call(run).splitlines() if line.endswith("/bin/python'")]
    printed = paste(
        shell_settings(run),
        f"""{python} -c 'import infra, llmmanager; print(infra.__file__)'""",
        folder=tmp_path,
    )
    assert printed == f"{checkout}/infra/__init__.py\n"


def test_only_commands_are_indented(run: LocalRun) -> None:
    text = how_to_call(run, backend="llama3.2 at http://127.0.0.1:11434/v1")
    assert "FakeBedrock)  http://127.0.0.1:" in text
    assert "with answers from llama3.2 at http://127.0.0.1:11434/v1" in text
    indented = [line for line in text.splitlines() if line.startswith(" ")]
    commands = ("unset ", "export ", "call", "curl ", "llmmanager", "seq ", str(instructions.ROOT))
    assert indented
    assert [line for line in indented if not line.strip().startswith(commands)] == []


def test_the_url_of_the_streaming_api_is_printed_if_there_is_one(run: LocalRun) -> None:
    url = "http://127.0.0.1:4567/v1"
    assert url not in how_to_call(run)
    assert f"API for chat clients   {url}\n" in how_to_call(dataclasses.replace(run, streaming_url=url))
