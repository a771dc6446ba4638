"""Run the AWS emulator ministack as a child process on 127.0.0.1."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.emulator_certificate import Certificate, make_certificate
from local.processes import ROOT, GuardedProcess, LocalRunError, clean_environment, wait_until

HOST = "127.0.0.1"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
# Below the ports of outgoing connections, which could take a port before the emulator listens on it.
_FREE_PORTS = range(20_000, 32_768)


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Attributes:
        certificate: CA certificate file of an emulator with HTTPS; None with HTTP.
    """

    port: int
    process: GuardedProcess
    certificate: Path | None = None

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which AWS SDKs and command lines call only this emulator."""
        return clean_environment(AWS_ENDPOINT_URL=self.endpoint_url, **_trust(self.certificate))


def _trust(certificate: Path | None) -> dict[str, str]:
    """Return the environment variables that make HTTP clients trust the certificate."""
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    return {name: str(certificate) for name in names} if certificate else {}


def choose_port(requested: int | None) -> int:
    """Return the requested port, or a free port for None.

    Raises:
        LocalRunError: the requested port is invalid, in use or cannot be used.
    """
    while requested is None:
        with contextlib.suppress(LocalRunError):
            return choose_port(secrets.choice(_FREE_PORTS))
    with socket.socket() as probe:
        # Accept a port whose last connections are in TIME_WAIT. A port with a listener is still rejected.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, requested))
            return requested
        except OverflowError:
            raise LocalRunError(f"port must be from 1 to 65535 (got {requested})") from None
        except OSError as error:
            reason = (
                "is used by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used ({error.strerror})"
            )
            raise LocalRunError(
                f"port {requested} {reason}. Choose another port, for example: make local PORT=4600"
            ) from error


@contextlib.contextmanager
def running_emulator(
    *,
    port: int | None,
    folder: Path,
    check_permissions: bool = False,
    function_environment: Mapping[str, str] | None = None,
) -> Iterator[Emulator]:
    """Start the emulator and stop it at the end of the block.

    Args:
        port: None for a free port.
        folder: for the log and the certificate.
        check_permissions: verify signatures and enforce IAM policies. The emulator then uses HTTPS, because
            the bucket policies deny requests without TLS.
        function_environment: variables that the functions get in addition to those of the template.

    Raises:
        LocalRunError: the port cannot be used, or the emulator does not start.
    """
    chosen = choose_port(port)
    # The health page returns the edition, which identifies this emulator if another one got the port first.
    edition = secrets.token_hex(8)
    certificate = make_certificate(folder) if check_permissions else None
    environment = clean_environment(
        GATEWAY_PORT=str(chosen),
        BIND_HOST=HOST,
        MINISTACK_EDITION=edition,
        IOT_MTLS_ENABLED="false",
        SFTP_ENABLED="false",
        **(_permission_checks(certificate) if certificate else {}),
        # The functions inherit the emulator's environment.
        **(function_environment or {}),
    )
    with GuardedProcess(
        [PYTHON, "-m", "ministack"], log=folder / "emulator.log", environment=environment
    ) as process:
        emulator = Emulator(chosen, process, certificate.file if certificate else None)
        wait_until(lambda: _is_ready(emulator, edition), process=process, seconds=120, what="the emulator")
        yield emulator


def _permission_checks(certificate: Certificate) -> dict[str, str]:
    files = {"MINISTACK_SSL_CERT": str(certificate.file), "MINISTACK_SSL_KEY": str(certificate.key_file)}
    # The Lambda functions inherit these variables, so that they trust the certificate.
    return {"AUTH": "true", "USE_SSL": "1", **files, **_trust(certificate.file)}


def _is_ready(emulator: Emulator, edition: str) -> bool:
    trust = ssl.create_default_context(cafile=emulator.certificate)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with opener.open(f"{emulator.endpoint_url}/_ministack/health", timeout=2) as response:
            return bool(json.load(response).get("edition") == edition)
    except (OSError, ValueError):
        return False
