"""The Python interpreters of a machine are found on PATH, in pyenv and in uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.python_interpreters import Interpreter, find_interpreter

PYENV = "pyenv/versions"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


def install(path: Path, version: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)
    return path


def find(minor: str, machine: Path) -> Interpreter | None:
    return find_interpreter(
        minor, search_path=str(machine / "bin"), pyenv=machine / "pyenv", uv=machine / "uv"
    )


def test_an_interpreter_on_path_is_preferred(machine: Path) -> None:
    path = install(machine / "bin" / "python3.12", "3.12.9")
    install(machine / PYENV / "3.12.10" / "bin" / "python", "3.12.10")
    assert find("3.12", machine) == Interpreter(path, "3.12.9")


def test_the_newest_of_pyenv_is_used_when_its_shim_on_path_fails(machine: Path) -> None:
    install(machine / "bin" / "python3.13", "not found", status=127)
    install(machine / PYENV / "3.13.9" / "bin" / "python", "3.13.9")
    path = install(machine / PYENV / "3.13.10" / "bin" / "python", "3.13.10")
    assert find("3.13", machine) == Interpreter(path, "3.13.10")


def test_the_newest_of_uv_is_found(machine: Path) -> None:
    install(machine / "uv" / "cpython-3.13.9-linux-x86_64-gnu" / "bin" / "python", "3.13.9")
    install(machine / "uv" / "cpython-3.14.11-linux-x86_64-gnu" / "bin" / "python", "3.14.11")
    path = install(machine / "uv" / "cpython-3.13.10-linux-x86_64-gnu" / "bin" / "python", "3.13.10")
    assert find("3.13", machine) == Interpreter(path, "3.13.10")


def test_an_interpreter_of_another_version_is_not_used(machine: Path) -> None:
    install(machine / "bin" / "python3.1", "3.13.0")
    assert find("3.1", machine) is None


def test_the_version_has_its_minor_version() -> None:
    assert Interpreter(Path("/usr/bin/python"), "3.13.10").minor == "3.13"
