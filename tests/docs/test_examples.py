"""Every Python example of the documentation runs, and prints the output on the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock
from llmmanager.testing.settings import apply_rules, options_of
from tests.docs.run_page import examples_of
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# These pages need a deployed stack. tests/e2e and tests/clients run their examples.
DEPLOYMENT = {
    "api-keys.md",
    "batch-lanes.md",
    "batches.md",
    "deployment.md",
    "events.md",
    "http-api.md",
    "operations.md",
    "streaming-api.md",
    "usage-and-budgets.md",
}
# Tables and figures without examples have tests of their own.
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if page.name not in {"reference-coverage.md", *DEPLOYMENT} and "benchmarks" not in page.parts
]
WITH_EXAMPLES = [page for page in PAGES if examples_of(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_examples_of_a_page_run_twice_in_any_folder_and_print_what_it_shows(
    page: Path, tmp_path: Path
) -> None:
    clean = {name: os.environ[name] for name in ("PATH", "HOME")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page)],
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_page_about_the_library_has_an_example() -> None:
    without = {page.name for page in PAGES if page not in WITH_EXAMPLES}
    assert without == {
        "README.md",
        "api.md",
        "chat-completions.md",
        "command-line.md",
        "contributing.md",
        "how-it-works.md",
        "messages.md",
        "mutation-testing.md",
        "responses.md",
        "security.md",
    }


def test_the_configuration_file_of_fake_bedrock_is_valid(fake_bedrock: FakeBedrock) -> None:
    page = (DOCS / "guides" / "testing.md").read_text("utf-8")
    files = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert files
    for file in files:
        settings = json.loads(file)
        options_of(settings)
        apply_rules(fake_bedrock, settings)
