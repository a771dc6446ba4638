"""`make demo` and `make local` as a user runs them, and what they leave behind: nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.processes import ROOT
from tests.clean_shell import as_script, paste

pytestmark = pytest.mark.e2e

PYTHON_SHOWN = re.compile(r"with this Python:\n(?P<path>\S+)")
MARK = "LLMMANAGER_E2E_MARK"
LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def mark() -> str:
    """Stands in the environment of a command and of all that it starts."""
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Serving:
    """A running `make local`, and what it has printed."""

    process: subprocess.Popen[str]
    port: int
    mark: str
    printed: str


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the process prints, up to the line with `text`."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def marked_processes(mark: str) -> list[int]:
    """The processes started with this mark, however far down."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def listening_addresses(processes: list[int]) -> set[str]:
    """The addresses, in the kernel's notation, on which these processes listen."""
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    addresses = {row[9]: row[1].split(":")[0] for row in rows if row[3] == LISTENING}
    links = {link for process in processes for link in open_files(process)}
    return {address for inode, address in addresses.items() if f"socket:[{inode}]" in links}


def open_files(process: int) -> set[str]:
    """What a process holds open; less what it closes meanwhile."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(link))
    return found


def assert_nothing_left(mark: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 20
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert not list((ROOT / ".local").glob(f"run-{process.pid}-*"))


def test_the_demo_shows_its_results_and_checks_and_leaves_nothing_behind(mark: str) -> None:
    process = start("infra.local.demo", mark=mark)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert re.search(r"Records +60: 60 answered, 0 failed, 0 rejected", said)
    assert re.search(r"^ +denied +\d+, 0\.\d\d per answer: ", said, re.MULTILINE)
    assert re.search(r"^ +throttled +\d+: ", said, re.MULTILINE)
    assert "FakeBedrock, a test double, stands in for Bedrock. It writes all answers" in said
    checks = re.findall(r"^ *(\d+)  ok      \S+", said, re.MULTILINE)
    assert f"\n{len(checks)} of {len(checks)} checks hold" in said
    (folder,) = re.findall(r"Files: (\S+)", said)
    assert len((ROOT / folder / "results.jsonl").read_text().splitlines()) == 60
    assert_nothing_left(mark, process)


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """One `make local`, for the tests below; the last of them ends it."""
    mark, port = uuid.uuid4().hex, free_port()
    process = start("infra.local.serve", "--port", str(port), mark=mark)
    yield Serving(process, port, mark, read_until(process, "events.md"))
    process.kill()
    process.communicate()


def commands_of(printed: str) -> str:
    """The lines that a user pastes: those that are indented, below the steps."""
    _, instructions = printed.split("Paste this first")
    return "\n".join(line for line in instructions.splitlines() if line.startswith("    "))


def test_what_the_local_stack_prints_can_be_pasted_in_any_folder_twice(
    serving: Serving, tmp_path: Path
) -> None:
    commands = commands_of(serving.printed)
    printed = paste(commands, commands, folder=tmp_path)
    assert printed.count('"accessMethod"') >= 4  # the request, and once more with a region that throttles
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
    python = PYTHON_SHOWN.search(serving.printed)
    assert python
    printed = paste(commands, as_script(code, python=python["path"]), folder=tmp_path, environment=settings)
    assert "True []\nTrue\n" in printed


def test_the_local_stack_listens_on_loopback_alone(serving: Serving) -> None:
    assert f"http://127.0.0.1:{serving.port}/" in serving.printed
    addresses = listening_addresses(marked_processes(serving.mark))
    assert addresses
    assert addresses <= LOOPBACK


def test_a_port_that_is_taken_is_refused_in_a_sentence(serving: Serving, mark: str) -> None:
    second = start("infra.local.serve", "--port", str(serving.port), mark=mark)
    refusal, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"port {serving.port} is taken by another program; choose another one" in refusal
    assert "Traceback" not in refusal


def test_ctrl_c_ends_the_local_stack_and_all_that_it_started(serving: Serving) -> None:
    serving.process.send_signal(signal.SIGINT)
    rest, _ = serving.process.communicate(timeout=60)
    assert serving.process.returncode == 0
    assert "Traceback" not in rest
    assert_nothing_left(serving.mark, serving.process)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", serving.port)) != 0


def test_a_run_that_is_killed_while_it_starts_leaves_no_process(mark: str) -> None:
    process = start("infra.local.serve", "--port", str(free_port()), mark=mark)
    read_until(process, "emulator started")
    assert len(marked_processes(mark)) > 1
    process.kill()
    process.wait(20)
    deadline = time.monotonic() + 20
    while marked_processes(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked_processes(mark) == []
    process.communicate()
