"""Install what the project needs, once: .venv, .venv-emulator and node_modules, each from its lock.

Runs on the machine's own Python, with nothing installed: `python3 -m infra.local.setup`. A stamp in each
folder names the lock and the Python it was made from, so a second run finds nothing to do. When two runs
start at once, the second waits for the first.
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

from infra.local.commands import ROOT, SetupError, run
from infra.local.python_packages import VirtualEnvironment, install, install_with_pip


@dataclass(frozen=True)
class Part:
    """One folder to install, and the file that pins what is in it.

    Attributes:
        install: creates the folder anew; returns the name of the installer.
    """

    folder: Path
    lock: Path
    install: Callable[[Part], str]

    @property
    def stamp(self) -> Path:
        return self.folder / ".setup-stamp"

    def wanted_stamp(self) -> str:
        """Return a text that differs when the lock, this Python or the folder's path differs."""
        return f"{sys.version}\n{self.folder}\n{hashlib.sha256(self.lock.read_bytes()).hexdigest()}\n"

    def current(self) -> bool:
        """Return whether the folder was installed from the lock as it is now."""
        return self.stamp.is_file() and self.stamp.read_text() == self.wanted_stamp()


def install_node(_part: Part) -> str:
    """Install the CDK command line that package-lock.json pins."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise SetupError(
            "Node.js 18 or newer with npm is needed for the AWS CDK command line, and is not on PATH."
        )
    run(
        *(npm, "ci", "--no-audit", "--no-fund"),
        what="the packages of package-lock.json could not be installed",
    )
    return "npm"


def install_uv(part: Part) -> str:
    """Install uv, in an environment of its own."""
    install_with_pip(VirtualEnvironment(part.folder, part.lock))
    return "pip"


def install_python(part: Part) -> str:
    """Install a virtual environment with uv, or with pip where uv could not be installed."""
    uv = UV.folder / "bin" / "uv"
    return install(VirtualEnvironment(part.folder, part.lock), uv if UV.current() else None)


def python_part(folder: str, lock: str) -> Part:
    """Return the virtual environment `folder` that holds `requirements/<lock>.txt`."""
    return Part(ROOT / folder, ROOT / "requirements" / f"{lock}.txt", install_python)


BENCHMARKED = ("library", "original", "litellm", "langchain", "plot")
LOCKS = ("uv", "lambda", "dev", "mutation", "emulator", *(f"bench-{name}" for name in BENCHMARKED))

UV = Part(ROOT / ".venv-uv", ROOT / "requirements" / "uv.txt", install_uv)
PARTS = (
    python_part(".venv", "dev"),
    python_part(".venv-emulator", "emulator"),
    Part(ROOT / "node_modules", ROOT / "package-lock.json", install_node),
)
BENCH_PARTS = tuple(python_part(f".venv-bench-{name}", f"bench-{name}") for name in BENCHMARKED)
MUTATION_PARTS = (python_part(".venv-mutation", "mutation"),)


def setup(parts: Sequence[Part] | None = None) -> None:
    """Install every part (all of `PARTS` when None) that is not current.

    Raises:
        SetupError: one or more parts could not be installed; the others are.
    """
    parts = PARTS if parts is None else parts
    if all(part.current() for part in parts):
        return
    lock_file = ROOT / ".local" / "setup.lock"
    lock_file.parent.mkdir(exist_ok=True)
    with lock_file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        stale = [part for part in parts if not part.current()]
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
    """Install uv unless it is there; without it, pip installs the rest."""
    if UV.current():
        return
    try:
        _bring_up_to_date(UV)
    except SetupError as error:
        print(f"  uv cannot be had, so pip installs the rest, which takes minutes. {error}", flush=True)


def _bring_up_to_date(part: Part) -> None:
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
    part.stamp.write_text(part.wanted_stamp())
    print(f"  {part.folder.name:<20} {time.monotonic() - started:5.1f} s with {installer}", flush=True)


def lock() -> None:
    """Resolve the requirements again with uv and the CDK command line with npm."""
    setup(PARTS[:1])
    if not UV.current():
        raise SetupError("uv resolves the locks, and could not be installed.")
    for name in LOCKS:
        source = f"requirements/{name}.in"
        run(
            *(
                PARTS[0].folder / "bin" / "uv",
                "pip",
                "compile",
                "--quiet",
                "--generate-hashes",
                "--no-header",
            ),
            *("--universal", "--python-version", "3.11"),
            *(source, "-o", f"requirements/{name}.txt"),
            what=f"{source} cannot be resolved",
        )
    run("npm", "install", "--package-lock-only", what="package.json cannot be resolved")


def main() -> None:
    """Read the command line and install what it asks for."""
    parser = argparse.ArgumentParser(
        prog="setup", description="Install what the project needs, from its locks."
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--bench", action="store_true", help="what `make bench` measures, and nothing else")
    choice.add_argument(
        "--mutation", action="store_true", help="what mutation testing needs, and nothing else"
    )
    choice.add_argument("--environment", metavar="FOLDER", help="a second .venv, for this Python, in FOLDER")
    choice.add_argument("--lock", action="store_true", help="resolve the locks again")
    chosen = parser.parse_args()
    if chosen.lock:
        lock()
    elif chosen.environment:
        setup([python_part(chosen.environment, "dev")])
    else:
        setup(BENCH_PARTS if chosen.bench else MUTATION_PARTS if chosen.mutation else PARTS)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        os._exit(130)
