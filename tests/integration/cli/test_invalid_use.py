"""Commands with invalid arguments, files and streams end with one line that names the cause."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import environment, run

RECORD = '{"messages": "Hello", "inferenceConfig": {"maxTokens": 5}}\n'
OBJECT = '{"type": "object"}'


def in_shell(command: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command line in which `llmmanager` is the command."""
    function = f'llmmanager() {{ "{sys.executable}" -m llmmanager "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", f"{function}{command}"],
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("llmmanager ask Hello >&-", 0),
        ("llmmanager ask Hello 2>&-", 0),
        ("llmmanager ask Hello <&-", 0),
        ("llmmanager chat <&-", 0),
        ("llmmanager models --offline >&- 2>&-", 0),
        # `true` ends while the command starts.
        ("llmmanager --version | true; exit ${PIPESTATUS[0]}", 0),
        ("llmmanager models --offline | true; exit ${PIPESTATUS[0]}", 0),
    ],
)
def test_a_stream_that_is_closed_is_no_error(settings: dict[str, str], command: str, status: int) -> None:
    done = in_shell(command, settings)

    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("command", ["ask Hello", "models --offline", "--version"])
def test_output_that_cannot_be_written_is_an_error(settings: dict[str, str], command: str) -> None:
    done = in_shell(f"llmmanager {command} > /dev/full", settings)

    assert done.stderr == "llmmanager: the output cannot be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["validate", "run", "estimate"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\n\n", "the file has no records"),
        ("{}".encode("utf-16"), "is UTF-16 text; must be UTF-8 text"),
        (gzip.compress(b"{}", mtime=0), "is compressed (gzip); must be UTF-8 text"),
    ],
)
def test_a_file_that_is_no_batch_has_the_same_problem_in_each_command(
    settings: dict[str, str], tmp_path: Path, command: str, content: bytes, problem: str
) -> None:
    (tmp_path / "input.jsonl").write_bytes(content)

    ended = run("batch", command, "input.jsonl", cwd=tmp_path, settings=settings)

    assert (ended.status, ended.out) == (2, "")
    assert f"llmmanager: input.jsonl: {problem}" in ended.err


def test_a_batch_is_not_read_from_a_pipe_because_that_works_only_once(
    settings: dict[str, str], tmp_path: Path
) -> None:
    ended = run("batch", "run", "/dev/stdin", "-o", "out", input=RECORD, cwd=tmp_path, settings=settings)

    assert ended.status == 2
    assert "must be a file on a disk, because it is read several times" in ended.err
    assert run("batch", "validate", "/dev/stdin", input=RECORD).out == "1 valid, 0 invalid\n"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("summary.json", "{}", "summary.json: not written by a batch"),
        ("summary.json", "[]", "summary.json: not written by a batch"),
        ("summary.json", "x", "summary.json: invalid: Expecting value"),
        ("results.jsonl", "[]\n", "results.jsonl:1: not written by a batch"),
        ("failed.jsonl", "x\n", "failed.jsonl:1: invalid: Expecting value"),
        ("rejected.jsonl", "{}\n", "rejected.jsonl:1: not written by a batch"),
    ],
)
def test_a_report_of_other_files_names_the_file(
    settings: dict[str, str], tmp_path: Path, name: str, content: str, problem: str
) -> None:
    (tmp_path / "input.jsonl").write_text(RECORD)
    assert run("batch", "run", "input.jsonl", "-o", "out", cwd=tmp_path, settings=settings).status == 0
    (tmp_path / "out" / name).write_text(content)

    ended = run("batch", "report", "out", cwd=tmp_path, settings=settings)

    assert ended.status == 2
    assert ended.err.startswith(f"llmmanager: out/{problem}")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("models", "-r", "mars"), "must be the name of an AWS region, such as us-east-1 (got 'mars')"),
        (("usage", "--region", "mars"), "must be the name of an AWS region"),
        (("budgets", "set", "team", "x", "--daily", "nan"), "must be a number of at least 0 (got 'nan')"),
        (("batch", "run", "x", "--max-cost-multiple", "0.5"), "must be a number of at least 1 (got '0.5')"),
        (("ask", "Hi", "--schema", '{"type": "string"}'), 'llmmanager: schema.type: must be "object"'),
        (("local", "--config", "README.md"), "README.md must contain JSON"),
    ],
)
def test_an_invalid_value_is_a_usage_error(
    settings: dict[str, str], arguments: tuple[str, ...], problem: str
) -> None:
    ended = run(*arguments, cwd=Path(__file__).parents[3], settings=settings)

    assert (ended.status, ended.out) == (2, "")
    assert problem in ended.err.splitlines()[-1]


def test_a_region_without_models_is_a_problem(settings: dict[str, str]) -> None:
    ended = run("doctor", "-r", "us-nowhere-1", settings=settings)

    assert ended.status == 3
    assert "problem region us-nowhere-1: 0 models are offered" in ended.out


def test_doctor_reports_a_region_that_cannot_be_reached_once(settings: dict[str, str]) -> None:
    unreachable = {"AWS_ENDPOINT_URL_BEDROCK": "http://127.0.0.1:1"}

    ended = run("doctor", "--no-call", settings={**settings, **unreachable})

    assert (ended.status, ended.err) == (3, "")
    assert ended.out.count("Could not connect") == 1


def test_a_warning_of_the_library_is_one_of_the_command(settings: dict[str, str]) -> None:
    unreachable = {"AWS_ENDPOINT_URL_BEDROCK": "http://127.0.0.1:1"}

    ended = run("ask", "Hello", "-m", "Model of tomorrow", settings={**settings, **unreachable})

    assert ended.err.startswith("warning: Bedrock's models in us-east-1 cannot be listed: ")
