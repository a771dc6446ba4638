"""`make demo` and `make local` work as a user runs them, and leave no process or file behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator import choose_port
from local.processes import ROOT
from tests.clean_shell import as_script, paste
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.e2e

PRINTED_PYTHON = re.compile(r"use this Python:\n(?P<path>\S+)")
MARK = "LLMMANAGER_E2E_MARK"
LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def mark() -> str:
    """Value of an environment variable that identifies a command and all processes that it starts."""
    return uuid.uuid4().hex


def start(module: str, *arguments: str, mark: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass(frozen=True)
class Serving:
    """A running `make local` and its output so far."""

    process: subprocess.Popen[str]
    port: int
    mark: str
    printed: str


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the output of the process up to the line with `text`."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(f"{text!r} was not printed:\n{printed}")


def marked_processes(mark: str) -> list[int]:
    """Return the ids of all processes with this mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def listening_addresses(processes: list[int]) -> set[str]:
    """Return the addresses, in the kernel's notation, on which these processes listen."""
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    addresses = {row[9]: row[1].split(":")[0] for row in rows if row[3] == LISTENING}
    links = {link for process in processes for link in open_files(process)}
    return {address for inode, address in addresses.items() if f"socket:[{inode}]" in links}


def open_files(process: int) -> set[str]:
    """Return the open files of a process. Files that it closes meanwhile are left out."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(link))
    return found


def assert_nothing_left(mark: str, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: not marked_processes(mark), "the end of all processes")
    assert not list((ROOT / ".local").glob(f"run-{process.pid}-*"))


def test_the_demo_prints_its_results_and_checks_and_leaves_nothing_behind(mark: str) -> None:
    process = start("local.demo", mark=mark)
    printed, _ = process.communicate(timeout=2 * PATIENCE_SECONDS)
    assert process.returncode == 0, printed
    assert re.search(r"Records +60: 60 answered, 0 failed, 0 rejected", printed)
    assert re.search(r"^ +denied +\d+ \(0\.\d\d per answer\), ", printed, re.MULTILINE)
    assert re.search(r"^ +throttled +\d+, ", printed, re.MULTILINE)
    assert "FakeBedrock replaces Amazon Bedrock and generates all answers" in printed
    checks = re.findall(r"^ *(\d+)  ok      \S+", printed, re.MULTILINE)
    assert f"\n{len(checks)} of {len(checks)} checks passed in " in printed
    (folder,) = re.findall(r"Result files: (\S+)", printed)
    assert len((ROOT / folder / "results.jsonl").read_text().splitlines()) == 60
    at_half_price, report = re.findall(r"Report, to open in a browser: (\S+)", printed)
    assert "Lanes and savings" in (ROOT / at_half_price).read_text("utf-8")
    assert "Every record was answered." in (ROOT / report).read_text("utf-8")
    assert_nothing_left(mark, process)


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """One `make local` for the tests below. The last of them stops it."""
    mark, port = uuid.uuid4().hex, choose_port(None)
    process = start("local.serve", "--port", str(port), mark=mark)
    yield Serving(process, port, mark, read_until(process, "events.md"))
    process.kill()
    process.communicate()


def commands_of(printed: str) -> str:
    """Return the lines to paste: those of the instructions that are indented."""
    _, instructions = printed.split("First, paste these commands")
    return "\n".join(line for line in instructions.splitlines() if line.startswith("    "))


def test_the_instructions_can_be_pasted_in_any_folder_twice(serving: Serving, tmp_path: Path) -> None:
    commands = commands_of(serving.printed)
    printed = paste(commands, commands, folder=tmp_path)
    # Two requests, the second with a throttled region, pasted twice.
    assert printed.count('"accessMethod"') >= 4
    assert printed.count("60 answered, 0 failed, 0 rejected") == 2
    assert len((tmp_path / "batch-results" / "results.jsonl").read_text().splitlines()) == 60
    assert printed.count("ThrottlingException") >= 2


def test_the_settings_of_the_users_shell_do_not_reach_the_local_stack(
    serving: Serving, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9"
    settings = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "of another account",
        "AWS_BEARER_TOKEN_BEDROCK": "a key of another account",
        "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_CA_BUNDLE": "/missing",
        "AWS_REGION": "eu-west-1",
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
    }
    commands = commands_of(serving.printed)
    code = """
import boto3, os
from llmmanager import LLMManager
buckets = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
print(os.environ["BATCH_BUCKET"] in buckets, sorted(name for name in os.environ if "TOKEN" in name))
message = {"role": "user", "content": [{"text": "Hello"}]}
print(LLMManager(["Nova Lite"], ["us-east-1"]).converse([message]).success)
"""
    python = PRINTED_PYTHON.search(serving.printed)
    assert python
    printed = paste(commands, as_script(code, python=python["path"]), folder=tmp_path, environment=settings)
    assert "True []\nTrue\n" in printed


def test_the_local_stack_listens_on_loopback_only(serving: Serving) -> None:
    assert f"http://127.0.0.1:{serving.port}/" in serving.printed
    addresses = listening_addresses(marked_processes(serving.mark))
    assert addresses
    assert addresses <= LOOPBACK


def test_a_used_port_is_rejected_with_one_sentence(serving: Serving, mark: str) -> None:
    second = start("local.serve", "--port", str(serving.port), mark=mark)
    printed, _ = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert f"port {serving.port} is used by another program. Choose another port" in printed
    assert "Traceback" not in printed


def test_ctrl_c_ends_the_local_stack_and_all_its_processes(serving: Serving) -> None:
    serving.process.send_signal(signal.SIGINT)
    rest, _ = serving.process.communicate(timeout=PATIENCE_SECONDS)
    assert serving.process.returncode == 0
    assert "Traceback" not in rest
    assert_nothing_left(serving.mark, serving.process)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", serving.port)) != 0


def test_a_run_that_is_killed_during_its_start_leaves_no_process(mark: str) -> None:
    process = start("local.serve", "--port", str(choose_port(None)), mark=mark)
    read_until(process, "emulator started")
    assert len(marked_processes(mark)) > 1
    process.kill()
    process.wait(PATIENCE_SECONDS)
    wait_until(lambda: not marked_processes(mark), "the end of all processes")
    process.communicate()
