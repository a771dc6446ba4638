"""ministack, the AWS emulator, as a child process on 127.0.0.1."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.processes import ROOT, GuardedProcess, LocalRunError, clean_environment, wait_until

HOST = "127.0.0.1"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    port: int
    process: GuardedProcess

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"


def choose_port(wanted: int | None) -> int:
    """`wanted` if it is free, or any free port.

    Raises:
        LocalRunError: the wanted port is taken or cannot be used.
    """
    with socket.socket() as probe:
        # A port whose last connections are still in TIME_WAIT is free; one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
            return int(probe.getsockname()[1])
        except OverflowError:
            raise LocalRunError(f"port must be from 1 to 65535 (got {wanted})") from None
        except OSError as error:
            why = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used ({error.strerror})"
            )
            raise LocalRunError(
                f"port {wanted} {why}; choose another one, as in: make local PORT=4567"
            ) from error


@contextlib.contextmanager
def running_emulator(*, port: int | None, folder: Path) -> Iterator[Emulator]:
    """Start the emulator on `port` (None: a free one), its log in `folder`; it ends with the block."""
    chosen = choose_port(port)
    # The health page repeats the edition: an emulator that won a race for the port is not taken for ours.
    edition = secrets.token_hex(8)
    environment = clean_environment(
        GATEWAY_PORT=str(chosen),
        BIND_HOST=HOST,
        MINISTACK_EDITION=edition,
        IOT_MTLS_ENABLED="false",
        SFTP_ENABLED="false",
    )
    with GuardedProcess(
        [PYTHON, "-m", "ministack"], log=folder / "emulator.log", environment=environment
    ) as process:
        emulator = Emulator(chosen, process)
        wait_until(lambda: _answers(emulator, edition), process=process, seconds=60, what="the emulator")
        yield emulator


def _answers(emulator: Emulator, edition: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{emulator.endpoint_url}/_ministack/health", timeout=2) as answer:
            return bool(json.load(answer).get("edition") == edition)
    except (OSError, ValueError):
        return False
