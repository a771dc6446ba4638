"""`make test-pythons` finds the supported Pythons of this machine and reports the tested versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.python_interpreters import Interpreter
from local import pythons
from local.commands import SetupError
from local.pythons import find_interpreters, main


def fake_python(path: Path, version: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


def test_one_interpreter_of_each_supported_version_is_found(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3.12", "3.12.9")
    fake_python(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python", "3.12.1")
    fake_python(tmp_path / "pyenv" / "versions" / "3.13.9" / "bin" / "python", "3.13.9")
    found = find_interpreters(str(tmp_path / "bin"), tmp_path / "pyenv", uv=tmp_path / "uv")
    assert [one.version for one in found] == ["3.12.9", "3.13.9"]


def test_unsupported_versions_are_not_found(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3.10", "3.10.1")
    assert find_interpreters(str(tmp_path / "bin"), tmp_path / "pyenv", uv=tmp_path / "uv") == []


def test_tested_and_missing_versions_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(lambda: [Interpreter(Path("/usr/bin/python3.12"), "3.12.1")], lambda _: None)
    output = capsys.readouterr().out
    assert status == 0
    assert "Python 3.12.1   passed" in output
    assert "Tested: 3.12.1. Not found on this machine: 3.11, 3.13, 3.14." in output


def test_a_failed_check_is_reported_and_the_others_still_run(capsys: pytest.CaptureFixture[str]) -> None:
    def fail_on_the_first(interpreter: Interpreter) -> None:
        if interpreter.minor == "3.11":
            raise SetupError("Python 3.11.7: the import failed\nModuleNotFoundError")

    found = [Interpreter(Path("/a"), "3.11.7"), Interpreter(Path("/b"), "3.12.1")]
    assert main(lambda: found, fail_on_the_first) == 1
    printed = capsys.readouterr()
    assert "ModuleNotFoundError" in printed.err
    assert "Python 3.12.1   passed" in printed.out


def test_a_version_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Interpreter(Path("/a"), "3.11.7"), Interpreter(Path("/b"), "3.12.1")]
    tested: list[str] = []
    status = main(lambda: found, lambda interpreter: tested.append(interpreter.minor), without="3.11")
    assert (status, tested) == (0, ["3.12"])
    assert "Tested: 3.12.1. Not found on this machine: 3.13, 3.14." in capsys.readouterr().out


def test_finding_no_python_is_a_failure() -> None:
    assert main(list, lambda _: None) == 1


def test_the_lowest_supported_version_is_the_minimum_of_the_package() -> None:
    project = (pythons.ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={pythons.SUPPORTED[0]}"' in project
