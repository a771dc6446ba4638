"""mypy and pyright accept every Python example of the documentation, and find misspelled members."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.run_page import examples_of
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"
PAGES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "_").replace("-", "_"): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if examples_of(path)
}
# These pages use a function of another page.
CONTINUED = dict.fromkeys(("docs_api_keys", "docs_usage_and_budgets"), "from docs_http_api import call")
# `make test-clients` installs these.
NOT_INSTALLED = ("anthropic", "langchain_openai")
STUB = "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"
MYPY = """[mypy]
strict = true
python_version = 3.11
follow_imports = silent
[mypy-boto3.*,botocore.*]
ignore_missing_imports = true
"""
# Each line that ends with a comment has an error of both type checkers, and no other line has one.
MISSPELLED = """\
from typing import Any

from llmmanager import BedrockConverseRequest, LLMManager
from llmmanager.bedrock.models.converse_types import ContentBlock, Message

manager = LLMManager(models=("Nova Lite",), regions=("us-east-1",))
manager.converse([{"role": "user", "content": [{"text": "hi"}]}])
manager.converse([{"role": "user", "content": [{"txet": "hi"}]}])  # error
manager.converse_stream([{"role": "usr", "content": [{"text": "hi"}]}])  # error
manager.converse("hi", inference_config={"maxTokns": 5})  # error
manager.converse("hi", system=[{"txet": "hi"}])  # error
BedrockConverseRequest(messages=[{"role": "user", "content": [{"txet": "hi"}]}])  # error
block: ContentBlock = {"txet": "hi"}  # error
image: ContentBlock = {"image": {"format": "bmp", "source": {"bytes": b""}}}  # error
untyped: dict[str, Any] = {"role": "user", "content": []}
message: Message = {"role": "user", "content": [{"text": "hi"}]}
manager.converse([untyped, message], inference_config=untyped)
manager.converse([untyped, {"role": "user", "content": [{"txet": "hi"}]}])  # error
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each page as one module, in the lines of the page."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("pages", "stubs"):
        (folder / name).mkdir()
    for name, path in PAGES.items():
        lines = [CONTINUED.get(name, "")]
        for example in examples_of(path):
            lines += [""] * (example.line - len(lines)) + example.code.splitlines()
        (folder / "pages" / f"{name}.py").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "pages" / "misspelled.py").write_text(MISSPELLED, "utf-8")
    for name in NOT_INSTALLED:
        (folder / "stubs" / f"{name}.pyi").write_text(STUB, "utf-8")
    (folder / "mypy.ini").write_text(MYPY, "utf-8")
    settings = {"include": ["pages"], "extraPaths": [str(ROOT)], "stubPath": "stubs", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    return folder


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def errors_of_mypy(folder: Path) -> dict[tuple[str, int], str]:
    """Return the errors by the name of the module and the line."""
    paths = os.pathsep.join(map(str, (folder / "stubs", folder / "pages", ROOT)))
    cache = ROOT / ".mypy_cache" / "examples"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--output=json",
        "--config-file=mypy.ini",
        f"--cache-dir={cache}",
    ]
    printed = run([*command, *map(str, sorted(folder.glob("pages/*")))], folder, {"MYPYPATH": paths})
    rows = [json.loads(line) for line in printed.splitlines()]
    return {(Path(r["file"]).stem, r["line"]): r["message"] for r in rows if r["severity"] == "error"}


def errors_of_pyright(folder: Path) -> dict[tuple[str, int], str]:
    """Return the errors by the name of the module and the line."""
    assert PYRIGHT.is_file(), "pyright is missing: run `make setup`"
    command = ["node", str(PYRIGHT), "--project", ".", "--pythonpath", sys.executable, "--outputjson"]
    rows = json.loads(run(command, folder, {}))["generalDiagnostics"]
    errors = [row for row in rows if row["severity"] == "error"]
    return {(Path(r["file"]).stem, r["range"]["start"]["line"] + 1): r["message"] for r in errors}


@pytest.mark.parametrize("errors_of", [errors_of_mypy, errors_of_pyright])
def test_examples_have_no_type_error_and_misspelled_members_have_one(project: Path, errors_of) -> None:
    found = errors_of(project)
    misspelled = {line for name, line in found if name == "misspelled"}
    examples = {place: message for place, message in found.items() if place[0] != "misspelled"}
    assert len(PAGES) > 20
    assert examples == {}
    assert misspelled == {
        number for number, line in enumerate(MISSPELLED.splitlines(), start=1) if line.endswith("# error")
    }
