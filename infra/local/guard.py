"""Run a command in a process group of its own, and end the whole group when whoever started it is gone.

`python guard.py FOLDER COMMAND...` starts COMMAND and watches its own standard input, a pipe that the
starter holds open. The kernel closes that pipe however the starter ends, a SIGKILL included, so nothing
it started outlives it. FOLDER, the command's temporary files, is removed after the last process.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 3.0
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let the group's orphans become this process's children: a container's first process may reap none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> dict[int, int]:
    """The exit codes, by process id, of the children that have ended since the last call."""
    codes: dict[int, int] = {}
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if process == 0:
            return codes
        codes[process] = os.waitstatus_to_exitcode(status)


def watch(leader: int) -> dict[int, int]:
    """Wait until the leader has ended, the starter is gone, or this process is told to end."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    codes = reap()
    while leader not in codes:
        ready, _, _ = select.select([0, wake], [], [])
        codes |= reap()
        if 0 in ready or signal.SIGTERM in os.read(wake, 512):
            break
    return codes


def signal_group(group: int, number: int) -> bool:
    """False once no process of the group is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(group: int) -> dict[int, int]:
    """Ask the group to end and insist after a grace period; the exit codes of those that ended."""
    codes: dict[int, int] = {}
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(group, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while signal_group(group, 0) and time.monotonic() < deadline:
            time.sleep(0.02)
            codes |= reap()
    return codes


def main() -> int:
    folder, *command = sys.argv[1:]
    adopt_orphans()
    try:
        leader = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True).pid
        codes = {**watch(leader), **end_group(leader)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    code = codes.get(leader, -signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
