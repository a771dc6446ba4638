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
from pathlib import Path

import pytest

from infra.local.api import ApiClient
from infra.local.processes import ROOT

pytestmark = pytest.mark.e2e

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


@pytest.fixture
def local(mark: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`make local` on a free port, and the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start("infra.local.serve", "--port", str(port), mark=mark)
    yield process, port
    process.kill()
    process.communicate()


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


def test_the_demo_shows_its_table_and_leaves_nothing_behind(mark: str) -> None:
    process = start("infra.local.demo", mark=mark)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert re.search(r"Records +60: 60 answered, 0 failed, 0 rejected", said)
    assert re.search(r"Calls of Bedrock .*AccessDeniedException \d+.*ThrottlingException \d+", said)
    (folder,) = re.findall(r"Files: (\S+)", said)
    assert len((ROOT / folder / "results.jsonl").read_text().splitlines()) == 60
    assert_nothing_left(mark, process)


def test_the_local_stack_serves_on_loopback_alone_until_ctrl_c(
    local: tuple[subprocess.Popen[str], int], mark: str
) -> None:
    process, port = local
    said = read_until(process, "Let Bedrock throttle")
    (address,) = re.findall(r"HTTP API +(\S+)", said)
    assert address.startswith(f"http://127.0.0.1:{port}/")
    question = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert ApiClient(address).post("/v1/converse", question).expect(200)["text"]

    addresses = listening_addresses(marked_processes(mark))
    assert addresses
    assert addresses <= LOOPBACK

    second = start("infra.local.serve", "--port", str(port), mark=mark)
    refusal, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"port {port} is taken by another program; choose another one" in refusal
    assert "Traceback" not in refusal

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert_nothing_left(mark, process)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_run_that_is_killed_while_it_starts_leaves_no_process(
    local: tuple[subprocess.Popen[str], int], mark: str
) -> None:
    process, _ = local
    read_until(process, "emulator started")
    assert len(marked_processes(mark)) > 1
    process.kill()
    process.wait(20)
    deadline = time.monotonic() + 20
    while marked_processes(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked_processes(mark) == []
