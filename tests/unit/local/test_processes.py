"""A guarded process and its children end when this process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from local.processes import (
    ROOT,
    GuardedProcess,
    LocalRunError,
    clean_environment,
    exit_on_signals,
)
from local.processes import wait_until as wait_until_ready
from tests.waiting import PATIENCE_SECONDS, wait_until

# A command with a child process. It writes both process ids and its TMPDIR to a file, then sleeps.
FAMILY = """
import os, pathlib, signal, subprocess, sys, time
folder, child = pathlib.Path(sys.argv[1]), sys.argv[2]
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
process.stdout.readline()
(folder / "writing").write_text(f"{os.getpid()} {process.pid} {os.environ['TMPDIR']}")
(folder / "writing").rename(folder / "family")
time.sleep(600)
"""
CHILD = "import time; print('ready', flush=True); time.sleep(600)"
CHILD_IGNORING_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"


def alive(process_id: int) -> bool:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:  # also if the process ends during the reading
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_gone(*process_ids: int) -> None:
    wait_until(lambda: not any(map(alive, process_ids)), "the end of the processes")


def family_of(folder: Path) -> tuple[int, int, Path]:
    wait_until((folder / "family").exists)
    parent, child, temporary = (folder / "family").read_text().split()
    return int(parent), int(child), Path(temporary)


def start(folder: Path, *, child: str = CHILD) -> GuardedProcess:
    command = [sys.executable, "-c", FAMILY, folder, child]
    return GuardedProcess(command, log=folder / "log", environment=clean_environment())


def test_stop_ends_children_that_ignore_sigterm_and_removes_temporary_files(tmp_path: Path) -> None:
    with start(tmp_path, child=CHILD_IGNORING_SIGTERM):
        parent, child, temporary = family_of(tmp_path)
        assert temporary.is_dir()
    wait_until_gone(parent, child)
    assert not temporary.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_ending_the_parent_ends_the_command_and_removes_temporary_files(
    tmp_path: Path, number: signal.Signals
) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from local.processes import GuardedProcess, clean_environment, exit_on_signals
        folder = Path({str(tmp_path)!r})
        with exit_on_signals():
            command = [sys.executable, "-c", {FAMILY!r}, folder, {CHILD!r}]
            with GuardedProcess(command, log=folder / "log", environment=clean_environment()):
                time.sleep(600)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT)
    parent, child, temporary = family_of(tmp_path)
    process.send_signal(number)
    code = process.wait(PATIENCE_SECONDS)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    wait_until_gone(parent, child)
    wait_until(lambda: not temporary.exists())


def test_the_children_of_a_command_end_with_it(tmp_path: Path) -> None:
    exiting = FAMILY.replace("time.sleep(600)\n", "sys.exit(7)\n")
    command = [sys.executable, "-c", exiting, tmp_path, CHILD]
    with GuardedProcess(command, log=tmp_path / "log", environment=clean_environment()) as process:
        _, child, _ = family_of(tmp_path)
        assert process.wait(seconds=PATIENCE_SECONDS) == 7
        wait_until_gone(child)


def test_a_command_that_exceeds_its_time_is_ended(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        parent, child, _ = family_of(tmp_path)
        with pytest.raises(LocalRunError, match="did not end within 0 s"):
            process.wait(seconds=0.01)
    wait_until_gone(parent, child)


def test_a_command_that_ends_before_it_is_ready_reports_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('the disk is full'); sys.exit(3)"]
    with (
        GuardedProcess(command, log=tmp_path / "log", environment=clean_environment()) as process,
        pytest.raises(LocalRunError, match=r"(?s)exit code 3.*the disk is full"),
    ):
        wait_until_ready(lambda: False, process=process, seconds=PATIENCE_SECONDS, what="the command")


def test_no_setting_of_a_real_account_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    environment = clean_environment(MORE="1")
    assert "AWS_PROFILE" not in environment
    assert "real" not in environment.values()
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["MORE"] == "1"


def test_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with exit_on_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
