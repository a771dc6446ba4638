"""Stack outputs as shell variables: one set of names for README, docs, `make local` and tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.outputs import VARIABLES, export_lines, main, stack_variables

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EMULATOR = "http://127.0.0.1:4566"
API_URL = "https://22f1c8c5.execute-api.us-east-1.amazonaws.com/prod/"
# A variable's name in Python, and in a shell.
READ = re.compile(r'os\.environ\["([A-Z_]+)"\]|\$\{?([A-Z][A-Z_]+)')


def test_the_api_url_has_no_trailing_slash() -> None:
    assert stack_variables({"ApiUrl": API_URL}) == {"API_URL": API_URL.rstrip("/")}


def test_the_api_url_leads_to_the_emulator_when_there_is_one() -> None:
    variables = stack_variables({"ApiUrl": API_URL}, endpoint_url=EMULATOR)
    assert variables == {"API_URL": f"{EMULATOR}/restapis/22f1c8c5/prod/_user_request_"}


def test_the_url_of_the_streaming_api_is_the_base_url_of_clients() -> None:
    outputs = {"StreamingApiUrl": "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1"}
    assert stack_variables(outputs) == {"STREAMING_API_URL": outputs["StreamingApiUrl"]}
    assert stack_variables(outputs, endpoint_url=EMULATOR) == {
        "STREAMING_API_URL": f"{EMULATOR}/restapis/a1b2c3d4e5/v1/_user_request_"
    }


def test_an_api_url_that_the_emulator_cannot_serve_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"not an execute-api URL: https://api\.example\.com/"):
        stack_variables({"ApiUrl": "https://api.example.com/"}, endpoint_url=EMULATOR)


def test_outputs_without_a_variable_are_left_out() -> None:
    assert stack_variables({"TableName": "t", "ExportsOutputRef": "x"}) == {"TABLE_NAME": "t"}


def test_a_value_with_special_characters_reaches_the_variable_unchanged() -> None:
    assert export_lines({"A": "a b'c$d"}) == ["export A='a b'\"'\"'c$d'"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_read_only_variables_that_are_set(page: Path) -> None:
    blocks = re.findall(r"^```(?:python|sh)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    read = {name for block in blocks for names in READ.findall(block) for name in names if name}
    assigned = {name for block in blocks for name in re.findall(r"^(\w+)=", block, re.MULTILINE)}
    # docs/api-keys.md shows how to create the key.
    known = {*VARIABLES.values(), *assigned, "API_KEY"}
    assert {name for name in read if not name.startswith("AWS_")} <= known


def test_the_getting_started_page_lists_every_output() -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \|", page, re.MULTILINE)) == VARIABLES


@pytest.mark.usefixtures("aws_credentials")
def test_an_unreadable_stack_is_reported_on_one_line_of_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["--stack-name", "Other"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"Cannot read the outputs of stack Other: .*127\.0\.0\.1:9.*\n", printed.err)


def test_missing_credentials_are_reported_on_one_line_of_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--region", "us-east-1"]) == 1
    assert re.fullmatch(r"Cannot read the outputs of stack LlmManager: .*\n", capsys.readouterr().err)
