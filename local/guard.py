"""Run a command in its own process group, and end the group when the parent process ends.

`python guard.py FOLDER COMMAND...` starts COMMAND and watches its own standard input, a pipe that the parent
keeps open. The kernel closes the pipe when the parent ends, even after SIGKILL, so the command never outlives
the parent. FOLDER has the command's temporary files. It is removed after the last process ended.
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
    """Become the parent of the group's orphans, because a container's first process may not reap them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> dict[int, int]:
    """Return the exit codes, by process id, of the children that ended since the last call."""
    codes: dict[int, int] = {}
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if process == 0:
            return codes
        codes[process] = os.waitstatus_to_exitcode(status)


def wait_for_end(leader: int) -> dict[int, int]:
    """Wait until the leader or the parent ends, or SIGTERM arrives; return exit codes of children."""
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
    """Send a signal to the group; return False if the group has no process left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(group: int) -> dict[int, int]:
    """End the group with SIGTERM, then SIGKILL after a grace period; return the exit codes."""
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
        codes = {**wait_for_end(leader), **end_group(leader)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    code = codes.get(leader, -signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
