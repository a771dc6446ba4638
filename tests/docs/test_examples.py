"""Every Python example of the documentation runs, and prints what the page says that it prints."""

from __future__ import annotations

import doctest
import inspect
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from llmmanager.testing import FakeBedrock
from llmmanager.testing.settings import apply_rules, options_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\s*^```text\n(?P<output>.*?)^```$)?", re.DOTALL | re.MULTILINE
)
# Tables and figures without examples have tests of their own.
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if page.name != "reference-coverage.md" and "benchmarks" not in page.parts
]
FILES = ("image.png", "report.pdf", "clip.mp4", "question.wav")


@dataclass(frozen=True)
class Example:
    """A Python block, and the output that the page shows right below it (None for none)."""

    code: str
    line: int
    output: str | None


def examples_of(page: Path) -> list[Example]:
    """The Python blocks of a page in order."""
    text = page.read_text("utf-8")
    return [
        Example(match["code"], text.count("\n", 0, match.start("code")), match["output"])
        for match in EXAMPLE.finditer(text)
    ]


def run(example: Example, page: Path, variables: dict[str, Any]) -> None:
    """Execute a block; a traceback shows the line of the page."""
    exec(compile("\n" * example.line + example.code, str(page), "exec"), variables)


def call_tests(variables: dict[str, Any], fake_bedrock: FakeBedrock) -> None:
    """Call the test functions that a block has defined once, each with fresh fixtures as in pytest."""
    tests = [name for name in variables if name.startswith("test_")]
    for test in [variables.pop(name) for name in tests]:
        fake_bedrock.reset()
        with pytest.MonkeyPatch.context() as patches:
            fixtures = {"fake_bedrock": fake_bedrock, "monkeypatch": patches}
            test(**{name: fixtures[name] for name in inspect.signature(test).parameters})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_examples_of_a_page_run_in_order_and_print_what_it_shows(
    page: Path,
    fake_bedrock: FakeBedrock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_bytes(name.encode())
    variables: dict[str, Any] = {"__name__": "__main__"}
    with patch.dict(os.environ):
        for example in examples_of(page):
            run(example, page, variables)
            call_tests(variables, fake_bedrock)
            printed = capsys.readouterr().out
            if example.output is not None:
                same = doctest.OutputChecker().check_output(example.output, printed, doctest.ELLIPSIS)
                assert same, f"{page}:{example.line} shows\n{example.output}\nbut prints\n{printed}"


def test_every_page_about_the_library_has_an_example() -> None:
    about_the_deployment = {"batches.md", "events.md", "http-api.md", "operations.md"}
    about_the_tests = {"mutation-testing.md"}
    exempt = about_the_deployment | about_the_tests
    without = [page.name for page in PAGES if not examples_of(page) and page.name not in exempt]
    assert without == ["README.md", "api.md"]


def test_the_configuration_file_of_fake_bedrock_is_one_that_it_takes(fake_bedrock: FakeBedrock) -> None:
    page = (DOCS / "guides" / "testing.md").read_text("utf-8")
    files = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert files
    for file in files:
        settings = json.loads(file)
        options_of(settings)
        apply_rules(fake_bedrock, settings)
