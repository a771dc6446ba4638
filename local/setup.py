"""`make setup`: install .venv, .venv-lambda, .venv-emulator and node_modules from their lock files.

`python3 -m local.setup` needs only the standard library. A stamp file in each folder records the lock
file and the Python of the installation. A folder whose stamp is current is not installed again. If two runs
start at the same time, the second waits for the first.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.lambda_asset import LAMBDA_PACKAGES
from local.commands import ROOT, SetupError, run
from local.python_packages import VirtualEnvironment, install, install_with_pip


@dataclass(frozen=True)
class SetupPart:
    """A folder to install and the lock file of its packages.

    Attributes:
        install: replaces the folder by a new installation; returns the name of the installer.
    """

    folder: Path
    lock: Path
    install: Callable[[SetupPart], str]

    @property
    def stamp(self) -> Path:
        """File that records what the folder was installed from."""
        return self.folder / ".setup-stamp"

    def expected_stamp(self) -> str:
        """Return the content of the stamp for the current lock file, Python and path of the folder."""
        return f"{sys.version}\n{self.folder}\n{hashlib.sha256(self.lock.read_bytes()).hexdigest()}\n"

    def is_current(self) -> bool:
        """Whether the folder was installed from the current lock file with this Python."""
        return self.stamp.is_file() and self.stamp.read_text() == self.expected_stamp()


def install_node(part: SetupPart) -> str:
    """Install the packages of a package-lock.json, such as the CDK command line."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise SetupError(
            "The AWS CDK command line and a client of the streaming API need Node.js 18 or newer with npm. "
            "They were not found on PATH."
        )
    run(
        *(npm, "ci", "--no-audit", "--no-fund", "--prefix", part.lock.parent),
        what=f"the packages of {part.lock} could not be installed",
    )
    return "npm"


def install_uv(part: SetupPart) -> str:
    """Install uv into its own environment."""
    install_with_pip(VirtualEnvironment(part.folder, part.lock))
    return "pip"


def install_python(part: SetupPart) -> str:
    """Install a virtual environment with uv, or with pip if uv is not installed."""
    uv = UV.folder / "bin" / "uv"
    return install(VirtualEnvironment(part.folder, part.lock), uv if UV.is_current() else None)


def install_lambda(part: SetupPart) -> str:
    """Install the packages of the functions for Lambda's Python and platform, as `install_python`."""
    uv = UV.folder / "bin" / "uv"
    environment = VirtualEnvironment(part.folder, part.lock, LAMBDA_PACKAGES)
    return install(environment, uv if UV.is_current() else None)


def python_part(folder: str, lock: str) -> SetupPart:
    """Return the virtual environment `folder` with the packages of `requirements/<lock>.txt`."""
    return SetupPart(ROOT / folder, ROOT / "requirements" / f"{lock}.txt", install_python)


def node_part(folder: Path) -> SetupPart:
    """Return the packages of the package.json in a folder."""
    return SetupPart(folder / "node_modules", folder / "package-lock.json", install_node)


BENCHMARKED = ("library", "original", "litellm", "litellm-proxy", "langchain", "plot")
LOCKS = (
    *("uv", "lambda", "dev", "clients", "mutation", "docs", "emulator"),
    *(f"bench-{name}" for name in BENCHMARKED),
)
JAVASCRIPT_CLIENTS = ROOT / "tests" / "clients" / "javascript"

UV = SetupPart(ROOT / ".venv-uv", ROOT / "requirements" / "uv.txt", install_uv)
PARTS = (
    python_part(".venv", "dev"),
    python_part(".venv-emulator", "emulator"),
    SetupPart(LAMBDA_PACKAGES.parent, ROOT / "requirements" / "lambda.txt", install_lambda),
    node_part(ROOT),
)
BENCH_PARTS = tuple(python_part(f".venv-bench-{name}", f"bench-{name}") for name in BENCHMARKED)
SHORT_BENCH_PARTS = tuple(part for part in BENCH_PARTS if part.folder.name != ".venv-bench-litellm-proxy")
MUTATION_PARTS = (python_part(".venv-mutation", "mutation"),)
DOCS_PARTS = (python_part(".venv-docs", "docs"),)
CLIENTS_PARTS = (python_part(".venv-clients", "clients"), node_part(JAVASCRIPT_CLIENTS))


def setup(parts: Sequence[SetupPart] | None = None) -> None:
    """Install the parts that are not current.

    Args:
        parts: None for `PARTS`.

    Raises:
        SetupError: one or more parts could not be installed. The others are installed.
    """
    parts = PARTS if parts is None else parts
    if all(part.is_current() for part in parts):
        return
    lock_file = ROOT / ".local" / "setup.lock"
    lock_file.parent.mkdir(exist_ok=True)
    with lock_file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        stale = [part for part in parts if not part.is_current()]
        if not stale:
            return
        print(f"Installing {', '.join(part.folder.name for part in stale)} ...", flush=True)
        with ThreadPoolExecutor(len(stale)) as pool:
            node = [part for part in stale if part.install is install_node]
            jobs = [pool.submit(_bring_up_to_date, part) for part in node]
            if len(node) < len(stale):
                _prepare_uv()
            jobs += [pool.submit(_bring_up_to_date, part) for part in stale if part not in node]
            failures = [error for job in jobs if (error := job.exception())]
        for failure in failures:
            if not isinstance(failure, SetupError):
                raise failure
        if failures:
            raise SetupError("\n\n".join(map(str, failures)))


def _prepare_uv() -> None:
    """Install uv if needed. If that fails, pip installs the other parts."""
    if UV.is_current():
        return
    try:
        _bring_up_to_date(UV)
    except SetupError as error:
        print(f"  uv could not be installed. Using pip instead, which takes minutes. {error}", flush=True)


def _bring_up_to_date(part: SetupPart) -> None:
    """Install a part and record in its stamp what it was installed from.

    Raises:
        SetupError: the folder is a symbolic link, or cannot be installed.
    """
    if part.folder.is_symlink():
        raise SetupError(
            f"{part.folder} is a symbolic link to {part.folder.resolve()}. Setup does not change linked "
            "folders, because they can belong to another checkout. Remove the link and run setup again."
        )
    started = time.monotonic()
    part.stamp.unlink(missing_ok=True)
    installer = part.install(part)
    part.stamp.write_text(part.expected_stamp())
    print(f"  {part.folder.name:<20} {time.monotonic() - started:5.1f} s with {installer}", flush=True)


def lock() -> None:
    """Resolve requirements/*.in with uv and each package.json with npm, and write the lock files."""
    _prepare_uv()
    if not UV.is_current():
        raise SetupError("the lock files cannot be resolved, because uv could not be installed")
    for name in LOCKS:
        source = f"requirements/{name}.in"
        run(
            *(UV.folder / "bin" / "uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header"),
            *("--universal", "--python-version", "3.11"),
            *(source, "-o", f"requirements/{name}.txt"),
            what=f"{source} cannot be resolved",
        )
    for folder in (ROOT, JAVASCRIPT_CLIENTS):
        run(
            *("npm", "install", "--package-lock-only", "--prefix", folder),
            what=f"{folder / 'package.json'} cannot be resolved",
        )


def main() -> None:
    """Install the parts that the command line selects."""
    parser = argparse.ArgumentParser(
        prog="setup", description="Install the environments of the project from their lock files."
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--bench", action="store_true", help="install only the environments of `make bench`")
    choice.add_argument(
        "--bench-short", action="store_true", help="install only the environments of `make bench SHORT=1`"
    )
    choice.add_argument(
        "--mutation", action="store_true", help="install only the environment of `make mutation`"
    )
    choice.add_argument("--docs", action="store_true", help="install only the environment of `make docs`")
    choice.add_argument(
        "--clients", action="store_true", help="install only the environments of `make test-clients`"
    )
    choice.add_argument(
        "--environment", metavar="FOLDER", help="install an additional .venv for this Python in FOLDER"
    )
    choice.add_argument(
        "--lock", action="store_true", help="resolve the requirements and write the lock files"
    )
    chosen = parser.parse_args()
    if chosen.lock:
        lock()
    elif chosen.environment:
        setup([python_part(chosen.environment, "dev")])
    else:
        selected = {
            BENCH_PARTS: chosen.bench,
            SHORT_BENCH_PARTS: chosen.bench_short,
            MUTATION_PARTS: chosen.mutation,
            DOCS_PARTS: chosen.docs,
            CLIENTS_PARTS: chosen.clients,
        }
        setup(next((parts for parts, is_chosen in selected.items() if is_chosen), PARTS))


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        os._exit(130)
