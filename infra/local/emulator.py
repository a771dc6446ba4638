"""ministack, the AWS emulator, as a child process on 127.0.0.1."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.certificate import Certificate, make_certificate
from infra.local.processes import ROOT, GuardedProcess, LocalRunError, clean_environment, wait_until

HOST = "127.0.0.1"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Attributes:
        certificate: what to trust it by when it takes HTTPS; None when it takes HTTP.
    """

    port: int
    process: GuardedProcess
    certificate: Path | None = None

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which AWS's SDKs and command lines reach this emulator, and nothing else."""
        return clean_environment(AWS_ENDPOINT_URL=self.endpoint_url, **_trust(self.certificate))


def _trust(certificate: Path | None) -> dict[str, str]:
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    return {name: str(certificate) for name in names} if certificate else {}


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
def running_emulator(
    *, port: int | None, folder: Path, check_permissions: bool = False
) -> Iterator[Emulator]:
    """Start the emulator on `port` (None: a free one), its log in `folder`; it ends with the block.

    With `check_permissions` it verifies signatures and refuses what IAM policies do not allow. It then takes
    HTTPS, since bucket policies refuse anything else.
    """
    chosen = choose_port(port)
    # The health page repeats the edition: an emulator that won a race for the port is not taken for ours.
    edition = secrets.token_hex(8)
    certificate = make_certificate(folder) if check_permissions else None
    environment = clean_environment(
        GATEWAY_PORT=str(chosen),
        BIND_HOST=HOST,
        MINISTACK_EDITION=edition,
        IOT_MTLS_ENABLED="false",
        SFTP_ENABLED="false",
        **(_strictness(certificate) if certificate else {}),
    )
    with GuardedProcess(
        [PYTHON, "-m", "ministack"], log=folder / "emulator.log", environment=environment
    ) as process:
        emulator = Emulator(chosen, process, certificate.file if certificate else None)
        wait_until(lambda: _answers(emulator, edition), process=process, seconds=60, what="the emulator")
        yield emulator


def _strictness(certificate: Certificate) -> dict[str, str]:
    files = {"MINISTACK_SSL_CERT": str(certificate.file), "MINISTACK_SSL_KEY": str(certificate.key_file)}
    # The functions that it runs inherit what to trust.
    return {"AUTH": "true", "USE_SSL": "1", **files, **_trust(certificate.file)}


def _answers(emulator: Emulator, edition: str) -> bool:
    trust = ssl.create_default_context(cafile=emulator.certificate)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with opener.open(f"{emulator.endpoint_url}/_ministack/health", timeout=2) as answer:
            return bool(json.load(answer).get("edition") == edition)
    except (OSError, ValueError):
        return False
