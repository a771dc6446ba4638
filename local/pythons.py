"""`make test-pythons`: test import, unit tests and synth on every supported Python of this machine.

Each Python has its own environment. All are installed from the same lock file.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from infra.python_interpreters import Interpreter, find_interpreter
from local.commands import ROOT, SetupError, run

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
_NOT_REPEATED = (
    # The installation has just used pip or uv with this Python.
    "tests/unit/local/test_python_packages.py",
    # These read the sources, and find the same with each Python.
    "tests/unit/local/generate_reference/test_api_page.py",
    "tests/unit/structure/test_import_cycles.py",
    "tests/unit/structure/test_names.py",
    "tests/unit/structure/test_plain_words.py",
    "tests/unit/structure/test_time_in_tests.py",
)


def find_interpreters(
    search_path: str | None = None,
    pyenv: Path | None = None,
    *,
    uv: Path | None = None,
    supported: Iterable[str] = SUPPORTED,
) -> list[Interpreter]:
    """Return one working interpreter for each supported version, from PATH, pyenv or uv.

    Args:
        search_path: folders to search, in the format of PATH; None for PATH.
        pyenv: folder of pyenv; None for PYENV_ROOT or `~/.pyenv`.
        uv: folder with the interpreters of uv; None for uv's default.
    """
    found = (find_interpreter(minor, search_path=search_path, pyenv=pyenv, uv=uv) for minor in supported)
    return [interpreter for interpreter in found if interpreter]


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
        *("--hypothesis-profile", "few", "-p", "no:cacheprovider"),
        *(f"--ignore={path}" for path in _NOT_REPEATED),
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
    *,
    without: str | None = None,
) -> int:
    """Test the interpreters found and print the results; return the exit status.

    Args:
        without: a version such as "3.11" that is not tested.
    """
    found = find()
    interpreters = [interpreter for interpreter in found if interpreter.minor != without]
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
    missing = [minor for minor in SUPPORTED if minor not in [one.minor for one in found]]
    print(f"Tested: {', '.join(one.version for one in interpreters) or 'no Python'}.", end=" ")
    print(f"Not found on this machine: {', '.join(missing) or 'none'}.", flush=True)
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    return 1 if failures or not found else 0


if __name__ == "__main__":
    # `make test` has run the unit tests with the Python of this environment.
    own = ".".join(map(str, sys.version_info[:2]))
    sys.exit(main(without=own if "--others" in sys.argv[1:] else None))
