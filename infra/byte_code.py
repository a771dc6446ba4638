"""Compile the modules of the functions for Lambda's Python.

Without byte code, each cold start compiles the modules that it imports, and cannot keep the result.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.lambda_asset import AssetError
from infra.python_interpreters import find_interpreter

# The folder of the functions' code on Lambda. It is in the byte code as the place of each module.
_TASK_ROOT: Final = "/var/task"


def find_compiler(version: str) -> Path | None:
    """Return a Python interpreter of this machine with the version, such as "3.13", or None.

    Python uses byte code only of the same minor version.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    found = find_interpreter(version)
    return found.path if found else None


def compile_modules(folder: Path, *, interpreter: Path) -> None:
    """Write byte code beside all modules in the folder.

    The same modules give the same files: these have neither times nor the path of the folder. Python uses
    them without reading the modules, so the modules must not change.

    Args:
        interpreter: a Python of the version that will run the modules.

    Raises:
        AssetError: a module is invalid, or the interpreter cannot be used.
    """
    done = subprocess.run(
        # Isolated: without variables, site packages and startup files of the user.
        [
            *(interpreter, "-I", "-S", "-m", "compileall", "-q", "-f", "-d", _TASK_ROOT),
            *("--invalidation-mode", "unchecked-hash", folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssetError(f"{interpreter} cannot compile the functions: {done.stdout.strip()[-2_000:]}")
    for file in folder.rglob("*.pyc"):
        # Lambda runs the code as another user.
        file.chmod(0o644)
