"""The examples of README and docs for a deployed stack work when they are pasted into a shell."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from infra.outputs import export_lines
from llmmanager.testing import FakeBedrock
from local.instructions import python, shell_settings
from local.processes import ROOT
from local.running import LocalRun
from tests.clean_shell import as_script, as_session, paste

pytestmark = pytest.mark.e2e


def blocks(page: str, language: str = "python", *, marker: str = "") -> list[str]:
    """Return the code blocks of a page, or only those below a marker."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"{re.escape(marker)}^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


PYTHON = python()
STACK = blocks("README.md", marker="<!-- runs: stack -->\n")
COMMANDS = blocks("README.md", "sh", marker="<!-- runs: stack -->\n")
HTTP = blocks("docs/http-api.md")
LIBRARY = blocks("README.md", marker="<!-- runs: library -->\n")
EVENTS = blocks("docs/events.md")


@pytest.fixture
def settings(run: LocalRun, bedrock: FakeBedrock) -> str:
    """The shell settings of `make local` for the stack of these tests."""
    return shell_settings(run)


def test_the_readme_has_examples_of_the_stack_and_of_the_library() -> None:
    assert len(STACK) == 2
    assert len(COMMANDS) == 3
    assert len(LIBRARY) == 2


def test_the_readme_examples_of_the_stack_can_be_pasted_in_any_folder_twice(
    settings: str, tmp_path: Path
) -> None:
    scripts = [as_script(code, python=PYTHON) for code in STACK]
    printed = paste(settings, *COMMANDS, *scripts, as_session(*STACK, python=PYTHON), folder=tmp_path)
    assert len(re.findall(r'^\{"text":"Test answer by FakeBedrock: ', printed, re.MULTILINE)) == 1
    assert "data: [DONE]" in printed
    assert '"scope":"team","name":"search","dailyUsd":5.0' in printed
    assert '"groupBy":["team","model"]' in printed
    assert len(re.findall(r"results will be in s3://\S+/batches/\S+/", printed)) == 2
    assert len(re.findall(r"sent as \S+", printed)) == 2


def test_the_examples_of_the_http_api_can_be_pasted_in_any_folder_twice(
    settings: str, tmp_path: Path
) -> None:
    scripts = [as_script(code, python=PYTHON) for code in HTTP]
    printed = paste(settings, *scripts, as_session(*HTTP, python=PYTHON), folder=tmp_path)
    assert printed.count("3 answered; see s3://") == 2


def test_the_readme_examples_of_the_library_can_be_pasted_in_any_folder_twice(
    settings: str, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    once = as_session(*LIBRARY, python=PYTHON)
    printed = paste(settings, once, once, folder=tmp_path)
    assert len(re.findall(r"in us-east-1 after 1 attempts", printed)) == 2
    assert bedrock.calls


def test_the_recipes_for_events_can_be_pasted_in_any_folder_twice(settings: str, tmp_path: Path) -> None:
    once = as_session(*EVENTS, python=PYTHON)
    printed = paste(settings, once, once, folder=tmp_path)
    for sender in ("SQS", "SNS", "EventBridge", "Invoke"):
        assert len(re.findall(rf"^{sender}: answered \S+", printed, re.MULTILINE)) == 2, printed
    assert printed.count("Batch: succeeded {'records': 3, 'answered': 3, 'failed': 0, 'rejected': 0}") == 2
    assert len(re.findall(r"^Inbox: line-\d+ \S+", printed, re.MULTILINE)) == 6


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS command line is not installed")
def test_the_recipes_for_the_aws_command_line_can_be_pasted_in_any_folder(
    settings: str, tmp_path: Path
) -> None:
    (commands,) = [text for text in blocks("docs/events.md", "sh") if "aws sqs" in text]
    printed = paste(settings, commands, folder=tmp_path)
    assert printed.count('"MessageId"') == 2
    assert '"FailedEntryCount": 0' in printed
    assert '"status": "answered"' in (tmp_path / "answer.json").read_text()


def test_the_outputs_of_a_stack_are_printed_as_the_variables_of_the_examples(
    run: LocalRun, settings: str, tmp_path: Path
) -> None:
    printed = paste(settings, f"{PYTHON} -m infra.outputs", folder=tmp_path)
    # The local server of the streaming API has its own address.
    variables = {name: value for name, value in run.stack.variables.items() if name != "STREAMING_API_URL"}
    assert set(export_lines(variables)) <= set(printed.splitlines())
    assert {"export AWS_REGION=us-east-1", "export AWS_DEFAULT_REGION=us-east-1"} <= set(printed.splitlines())
