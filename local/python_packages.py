"""Install a lock file into a virtual environment, with uv if available, otherwise with pip.

A lock file lists each package with its version and file hashes. The installation resolves nothing, so later
releases change nothing. Only wheels are installed, so nothing is built on this machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.lambda_asset import LAMBDA_PYTHON
from local.commands import SetupError, run
from local.package_index import pip_configuration, uv_settings

_LOCKED_WHEELS_ONLY = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
# Lambda's platform: wheels for this or an older glibc.
_UV_PLATFORM = ("--python-platform", "aarch64-manylinux_2_28")
_PIP_PLATFORM = (
    *("--implementation", "cp", "--platform", "manylinux_2_28_aarch64"),
    *("--platform", "manylinux_2_17_aarch64", "--platform", "manylinux2014_aarch64"),
)
_PROGRESS_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class VirtualEnvironment:
    """A virtual environment and its lock file.

    Attributes:
        lambda_packages: a folder in the environment that gets the packages for Lambda; None installs those
            for this Python into the environment.
    """

    folder: Path
    lock: Path
    lambda_packages: Path | None = None

    @property
    def python(self) -> Path:
        """Path of the interpreter."""
        return self.folder / "bin" / "python"

    @property
    def failure(self) -> str:
        """Start of the error message for an installation that fails."""
        return f"the packages of {self.lock.name} could not be installed into {self.folder.name}"


def install_with_pip(environment: VirtualEnvironment) -> None:
    """Create the environment and install its lock file with the pip of this Python (22 or newer).

    Raises:
        SetupError: the environment cannot be created, or a package cannot be downloaded or has a wrong hash.
    """
    run(
        *(sys.executable, "-m", "venv", "--clear", environment.folder),
        what="a virtual environment could not be created",
    )
    run(
        *(environment.python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"),
        *(*_LOCKED_WHEELS_ONLY, "-r", environment.lock, *_for_lambda(environment, _PIP_PLATFORM)),
        what=environment.failure,
        on_line=_PipProgress(environment),
    )


def install_with_uv(uv: Path, environment: VirtualEnvironment) -> None:
    """Create the environment and install its lock file with uv, from the package index configured for pip.

    Args:
        uv: path of uv. The same folder has a Python with pip.

    Raises:
        SetupError: as `install_with_pip`.
    """
    settings = uv_settings(pip_configuration(uv.parent / "python"))
    run(
        *(uv, "venv", "--no-config", "--no-project", "--clear"),
        *("--python", sys.executable, environment.folder),
        what="a virtual environment could not be created",
        env=settings.environment(),
    )
    run(
        *(uv, "pip", "install", "--no-config", "--python", environment.python),
        # As pip: choose the best file of all indexes. The hashes limit which files are accepted.
        *("--index-strategy", "unsafe-best-match", *settings.options),
        *(*_LOCKED_WHEELS_ONLY, "-r", environment.lock, *_for_lambda(environment, _UV_PLATFORM)),
        what=environment.failure,
        env=settings.environment(),
    )


def install(environment: VirtualEnvironment, uv: Path | None) -> str:
    """Replace the environment by a new one from its lock file; return the name of the installer used.

    Args:
        uv: path of uv; None if uv is not available. If uv fails, pip is used.

    Raises:
        SetupError: pip failed.
    """
    if uv is not None:
        try:
            install_with_uv(uv, environment)
            return "uv"
        except SetupError as error:
            print(f"  {environment.folder.name}: uv failed, using pip instead. {error}", flush=True)
    install_with_pip(environment)
    return "pip"


def _for_lambda(environment: VirtualEnvironment, platform: tuple[str, ...]) -> tuple[str | Path, ...]:
    """Return the options that install for Lambda, if the environment is for it."""
    if environment.lambda_packages is None:
        return ()
    return ("--target", environment.lambda_packages, "--python-version", LAMBDA_PYTHON, *platform)


class _PipProgress:
    """Print every few seconds how many packages pip has collected."""

    def __init__(self, environment: VirtualEnvironment, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = environment.folder.name
        self._total = sum("==" in line for line in environment.lock.read_text().splitlines())
        self._clock = clock
        self._printed = clock()
        self._collected = 0

    def __call__(self, line: str) -> None:
        now = self._clock()
        self._collected += line.startswith("Collecting ")
        if now - self._printed >= _PROGRESS_EVERY_SECONDS:
            self._printed = now
            print(f"  {self._name}: downloading, {self._collected} of {self._total} packages", flush=True)
        elif line.startswith("Installing collected packages") and self._total > 1:
            print(f"  {self._name}: unpacking {self._collected} packages", flush=True)
