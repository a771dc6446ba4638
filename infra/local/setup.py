"""Install what the project needs, once: .venv, .venv-emulator and node_modules, each from its lock.

With `--bench`, what `make bench` measures LLMManager against instead, each in an environment of its own.

Runs on the machine's own Python with nothing installed. A stamp in each folder names the lock it was made
from, so a second run finds nothing to do; a file lock lets two runs at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class SetupError(Exception):
    """What could not be installed, in words for whoever typed `make`."""


@dataclass(frozen=True)
class Part:
    """One folder to install, the file that pins what is in it, and how."""

    folder: Path
    lock: Path
    install: Callable[[Part], None]

    @property
    def stamp(self) -> Path:
        return self.folder / ".setup-stamp"

    def wanted_stamp(self) -> str:
        """Changes with the lock, with the Python that runs this, and when the checkout is moved."""
        return f"{sys.version}\n{self.folder}\n{hashlib.sha256(self.lock.read_bytes()).hexdigest()}\n"

    def current(self) -> bool:
        return self.stamp.is_file() and self.stamp.read_text() == self.wanted_stamp()


def run(*command: str | Path, what: str) -> None:
    """Run quietly; on failure raise SetupError with what the command said."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{what}: {command[0]} cannot be started: {error}") from error
    if done.returncode:
        raise SetupError(f"{what}: {' '.join(map(str, command))}\n{done.stdout.strip()[-4000:]}")


def install_python(part: Part) -> None:
    """Bring a virtual environment to its lock; one made by another Python or elsewhere is made anew."""
    same_python = part.stamp.is_file() and part.stamp.read_text().startswith(
        f"{sys.version}\n{part.folder}\n"
    )
    part.stamp.unlink(missing_ok=True)
    if not same_python:
        clear = [] if not part.folder.exists() else ["--clear"]
        run(sys.executable, "-m", "venv", *clear, part.folder, what="a virtual environment could not be made")
    run(
        part.folder / "bin" / "python",
        *(
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            part.lock,
        ),
        what=f"the packages of {part.lock.relative_to(ROOT)} could not be installed",
    )


def install_node(part: Part) -> None:
    """Install the CDK command line that package-lock.json pins."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise SetupError(
            "Node.js 18 or newer with npm is needed for the AWS CDK command line, and is not on PATH."
        )
    part.stamp.unlink(missing_ok=True)
    run(npm, "ci", "--no-audit", "--no-fund", what="the packages of package-lock.json could not be installed")


BENCHMARKED = ("library", "original", "litellm", "langchain", "plot")
PARTS = (
    Part(ROOT / ".venv", ROOT / "requirements" / "dev.txt", install_python),
    Part(ROOT / ".venv-emulator", ROOT / "requirements" / "emulator.txt", install_python),
    Part(ROOT / "node_modules", ROOT / "package-lock.json", install_node),
)
BENCH_PARTS = tuple(
    Part(ROOT / f".venv-bench-{name}", ROOT / "requirements" / f"bench-{name}.txt", install_python)
    for name in BENCHMARKED
)


def bring_up_to_date(part: Part) -> None:
    started = time.monotonic()
    part.install(part)
    part.stamp.write_text(part.wanted_stamp())
    print(f"  {part.folder.name:<20} {time.monotonic() - started:5.1f} s", flush=True)


def setup(parts: Sequence[Part] | None = None) -> None:
    """Install every part (all of `PARTS` when None) that is not current."""
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
            failures = [
                error
                for job in [pool.submit(bring_up_to_date, part) for part in stale]
                if (error := job.exception())
            ]
        for failure in failures:
            if not isinstance(failure, SetupError):
                raise failure
        if failures:
            raise SetupError("\n\n".join(map(str, failures)))


def lock() -> None:
    """Resolve the requirements again with uv and the CDK command line with npm."""
    uv = shutil.which("uv")
    if not uv:
        raise SetupError("uv resolves the locks, and is not on PATH (pip install uv).")
    for name in ("lambda", "dev", "mutation", "emulator", *(f"bench-{name}" for name in BENCHMARKED)):
        source = f"requirements/{name}.in"
        options = ("--quiet", "--generate-hashes", "--no-header", "--universal", "--python-version", "3.11")
        run(
            uv,
            "pip",
            "compile",
            *options,
            source,
            "-o",
            f"requirements/{name}.txt",
            what=f"{source} cannot be resolved",
        )
    run("npm", "install", "--package-lock-only", what="package.json cannot be resolved")


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--lock"]:
            lock()
        else:
            setup(BENCH_PARTS if sys.argv[1:] == ["--bench"] else PARTS)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        os._exit(130)
