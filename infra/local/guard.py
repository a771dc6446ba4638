"""Run a command in a process group of its own, and end the whole group when whoever started it is gone.

`python guard.py FOLDER COMMAND...` starts COMMAND and watches its own standard input, a pipe that the
starter holds open. The kernel closes that pipe however the starter ends, a SIGKILL included, so nothing
it started outlives it. FOLDER, the command's temporary files, is removed after the last process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 3.0


def signal_group(group: int, number: int) -> bool:
    """False once no process of the group is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(group: int) -> None:
    """Ask the group to end and insist after a grace period."""
    signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while signal_group(group, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    signal_group(group, signal.SIGKILL)


def end_with_starter(group: int) -> None:
    os.read(0, 1)
    end_group(group)


def main() -> int:
    folder, *command = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end_group, args=[child.pid]).start())
    threading.Thread(target=end_with_starter, args=[child.pid], daemon=True).start()
    code = child.wait()
    end_group(child.pid)
    shutil.rmtree(folder, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
