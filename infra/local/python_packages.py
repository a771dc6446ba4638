"""Install a lock file into a virtual environment: with uv where it can be had, else with pip.

A lock names every package with its version and the hashes of its files. Nothing is resolved: a release that
appears later changes nothing. Packages are installed from wheels only, so nothing is built on the machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.local.commands import SetupError, run
from infra.local.package_index import pip_configuration, uv_settings

_FROM_THE_LOCK_ALONE = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
_PROGRESS_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class VirtualEnvironment:
    """A virtual environment and the lock that it holds."""

    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def failure(self) -> str:
        """Start of the error message when the packages cannot be installed."""
        return f"the packages of {self.lock.name} could not be installed into {self.folder.name}"


def install_with_pip(environment: VirtualEnvironment) -> None:
    """Create the environment and install its lock with the pip that this Python brings (22 or newer).

    Raises:
        SetupError: the environment cannot be created, or a package cannot be downloaded or has another hash.
    """
    run(
        *(sys.executable, "-m", "venv", "--clear", environment.folder),
        what="a virtual environment could not be created",
    )
    run(
        *(environment.python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"),
        *(*_FROM_THE_LOCK_ALONE, "-r", environment.lock),
        what=environment.failure,
        on_line=_PipProgress(environment),
    )


def install_with_uv(uv: Path, environment: VirtualEnvironment) -> None:
    """Create the environment and install its lock with uv, from the index that pip is configured for.

    Args:
        uv: path of uv, in the folder of a Python that has pip.

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
        # pip takes the best file of all indexes; the hashes say which file that may be.
        *("--index-strategy", "unsafe-best-match", *settings.options),
        *(*_FROM_THE_LOCK_ALONE, "-r", environment.lock),
        what=environment.failure,
        env=settings.environment(),
    )


def install(environment: VirtualEnvironment, uv: Path | None) -> str:
    """Create the environment anew from its lock; return the name of the installer that did it.

    Args:
        uv: path of uv; None where it cannot be had. When uv fails, pip tries again.

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


class _PipProgress:
    """Print how many packages pip has found, every few seconds."""

    def __init__(self, environment: VirtualEnvironment, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = environment.folder.name
        self._total = sum("==" in line for line in environment.lock.read_text().splitlines())
        self._clock = clock
        self._printed = clock()
        self._found = 0

    def __call__(self, line: str) -> None:
        now = self._clock()
        self._found += line.startswith("Collecting ")
        if now - self._printed >= _PROGRESS_EVERY_SECONDS:
            self._printed = now
            print(f"  {self._name}: downloading, {self._found} of {self._total} packages", flush=True)
        elif line.startswith("Installing collected packages") and self._total > 1:
            print(f"  {self._name}: unpacking {self._found} packages", flush=True)
