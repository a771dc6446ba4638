"""Find the Python interpreters of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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


def find_interpreter(
    minor: str, *, search_path: str | None = None, pyenv: Path | None = None, uv: Path | None = None
) -> Interpreter | None:
    """Return a working interpreter from PATH, pyenv or uv, or None.

    Args:
        minor: major and minor version, e.g. "3.12".
        search_path: folders to search, in the format of PATH; None for PATH.
        pyenv: folder of pyenv; None for PYENV_ROOT or `~/.pyenv`.
        uv: folder with the interpreters of uv; None for uv's default.
    """
    on_path = shutil.which(f"python{minor}", path=search_path)
    installed = _newest_first((pyenv or _pyenv_root()) / "versions", f"{minor}.*", minor)
    managed = _newest_first(uv or _uv_folder(), f"cpython-{minor}.*", minor)
    candidates = [Path(on_path)] if on_path else []
    candidates += [folder / "bin" / "python" for folder in (*installed, *managed)]
    return next(filter(None, (_interpreter(path, minor) for path in candidates)), None)


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def _uv_folder() -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR", data / "uv" / "python"))


def _newest_first(folder: Path, pattern: str, minor: str) -> list[Path]:
    def micro(version: Path) -> int:
        number = re.search(rf"\b{re.escape(minor)}\.(\d+)\b", version.name)
        return int(number[1]) if number else -1

    return sorted(folder.glob(pattern), key=micro, reverse=True)


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
