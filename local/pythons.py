"""`make test-pythons`: test import, unit tests and synth on every supported Python of this machine.

Each Python has its own environment. All are installed from the same lock file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local.commands import ROOT, SetupError, run

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
_PRINT_VERSION = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter of this machine.

    Attributes:
        version: major, minor and micro version, e.g. "3.12.1".
    """

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """Major and minor version, e.g. "3.12"."""
        return self.version.rpartition(".")[0]


def find_interpreters(
    search_path: str | None = None, pyenv: Path | None = None, *, supported: Iterable[str] = SUPPORTED
) -> list[Interpreter]:
    """Return one working interpreter for each supported version, from PATH or otherwise from pyenv.

    Args:
        search_path: folders to search, in the format of PATH; None for PATH.
        pyenv: folder of pyenv; None for PYENV_ROOT or `~/.pyenv`.
    """
    pyenv = pyenv or Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = []
    for minor in supported:
        on_path = shutil.which(f"python{minor}", path=search_path)
        candidates = [Path(on_path)] if on_path else []
        candidates += [folder / "bin" / "python" for folder in _newest_first(pyenv / "versions", minor)]
        working = (_interpreter(path, minor) for path in candidates)
        found += [next((interpreter for interpreter in working if interpreter), None)]
    return [interpreter for interpreter in found if interpreter]


def _newest_first(versions: Path, minor: str) -> list[Path]:
    def micro(folder: Path) -> int:
        number = re.fullmatch(r"\d+", folder.name.rpartition(".")[2])
        return int(number[0]) if number else -1

    return sorted(versions.glob(f"{minor}.*"), key=micro, reverse=True)


def _interpreter(path: Path, minor: str) -> Interpreter | None:
    """Return the interpreter; None if it does not run, such as a pyenv shim without a selected version."""
    try:
        done = subprocess.run(
            [path, "-c", _PRINT_VERSION], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = done.stdout.strip()
    if done.returncode or not version.startswith(f"{minor}."):
        return None
    return Interpreter(path, version)


def check(interpreter: Interpreter) -> None:
    """Install the environment of the interpreter and test import, unit tests and synth.

    Raises:
        SetupError: the installation or a test fails; has the last lines of output.
    """
    folder = f".venv-py{interpreter.minor}"
    python = ROOT / folder / "bin" / "python"
    run(
        *(interpreter.path, "-m", "local.setup", "--environment", folder),
        what=f"Python {interpreter.version}: the installation failed",
    )
    run(
        *(
            python,
            "-W",
            "error",
            "-c",
            "import llmmanager; llmmanager.LLMManager; llmmanager.ParallelLLMManager",
        ),
        what=f"Python {interpreter.version}: the import failed",
    )
    run(
        *(python, "-m", "pytest", "tests/unit", "-q", "-n", "2", "--dist", "loadfile"),
        # The installation above has just used pip or uv with this Python.
        *("--ignore", "tests/unit/local/test_python_packages.py", "-p", "no:cacheprovider"),
        what=f"Python {interpreter.version}: the unit tests failed",
    )
    with tempfile.TemporaryDirectory(prefix="llmmanager-synth-") as output:
        run(
            *(ROOT / "node_modules" / ".bin" / "cdk", "synth", "--quiet", "--no-validation"),
            *("--app", f"{python} app.py", "--output", output),
            what=f"Python {interpreter.version}: cdk synth failed",
        )


def main(
    find: Callable[[], list[Interpreter]] = find_interpreters,
    check_one: Callable[[Interpreter], None] = check,
) -> int:
    """Test every interpreter found and print the results; return the exit status."""
    interpreters = find()
    failures = []
    for interpreter in interpreters:
        started = time.monotonic()
        try:
            check_one(interpreter)
            result = "passed"
        except SetupError as error:
            failures.append(str(error))
            result = "FAILED"
        seconds = time.monotonic() - started
        print(
            f"  Python {interpreter.version:<8} {result:<8} {seconds:5.1f} s  {interpreter.path}", flush=True
        )
    missing = [minor for minor in SUPPORTED if minor not in [one.minor for one in interpreters]]
    print(f"Tested: {', '.join(one.version for one in interpreters) or 'no Python'}.", end=" ")
    print(f"Not found on this machine: {', '.join(missing) or 'none'}.", flush=True)
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    return 1 if failures or not interpreters else 0


if __name__ == "__main__":
    sys.exit(main())
