"""The examples of the page about the streaming API run as pasted, and print answers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock
from local.processes import ROOT
from tests.clean_shell import as_script, paste
from tests.clients.client_adapters import JAVASCRIPT
from tests.clients.served_api import ServedApi

PAGE = (ROOT / "docs" / "streaming-api.md").read_text("utf-8")
ANSWER = "Test answer by FakeBedrock:"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def variables(api: ServedApi, key: str) -> dict[str, str]:
    """The variables of a shell with the outputs of the stack."""
    return {"STREAMING_API_URL": api.url, "API_KEY": key, "NO_PROXY": "127.0.0.1"}


def test_the_python_examples_print_answers(
    variables: dict[str, str], bedrock: FakeBedrock, tmp_path: Path
) -> None:
    exports, *_ = blocks("sh")
    code = "\n\n".join(blocks("python"))
    printed = paste(exports, as_script(code, python=sys.executable), folder=tmp_path, environment=variables)
    for subject in ("shard", "lake", "pond", "river", "brook"):
        assert re.search(f"{ANSWER}.*{subject}", printed), subject
    assert "name='" in printed
    assert "anthropic.claude-haiku-4-5-20251001-v1:0" in printed
    assert re.search(r"^us-east-1 0\.\d+\nseed$", printed, re.MULTILINE)
    (first, second) = re.findall(r"^chatcmpl-\w+", printed, re.MULTILINE)
    assert first == second


def test_the_javascript_example_prints_an_answer(variables: dict[str, str], tmp_path: Path) -> None:
    exports, *_ = blocks("sh")
    (code,) = blocks("js")
    script = f"cd {JAVASCRIPT}\nnode --input-type=module - <<'EOF'\n{code}\nEOF"
    assert ANSWER in paste(exports, script, folder=tmp_path, environment=variables)


def test_the_curl_example_prints_chunks(variables: dict[str, str], tmp_path: Path) -> None:
    _, curl, _ = blocks("sh")
    printed = paste(curl, folder=tmp_path, environment=variables)
    lines = [line.removeprefix("data: ") for line in printed.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text.startswith(ANSWER)
    assert lines[-1] == "[DONE]"
    assert ": x-llmmanager-model: amazon.nova-lite-v1:0; " in printed


def test_the_usage_example_prints_what_the_team_has_used(variables: dict[str, str], tmp_path: Path) -> None:
    _, question, usage = blocks("sh")
    paste(question, folder=tmp_path, environment=variables)
    printed = json.loads(paste(usage, folder=tmp_path, environment=variables))
    assert printed["totals"]["requests"] >= 1
    assert {row["model"] for row in printed["rows"]} >= {"amazon.nova-lite-v1:0"}


def test_the_page_names_the_clients_that_are_installed() -> None:
    pinned = (ROOT / "requirements" / "clients.in").read_text()
    versions = dict(re.findall(r"^(\S+)==(\d+\.\d+)", pinned, re.MULTILINE))
    package = json.loads((JAVASCRIPT / "package.json").read_text())
    javascript = re.match(r"\d+\.\d+", package["devDependencies"]["openai"])
    assert javascript is not None
    page = PAGE.replace("\n", " ")
    for name in ("openai", "anthropic", "langchain-openai"):
        assert f"`{name}` {versions[name]}" in page
    assert f"`openai` {javascript[0]} for JavaScript" in page
