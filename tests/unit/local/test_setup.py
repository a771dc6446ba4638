"""`make setup` installs each part that is not current, and reports failures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local import commands, setup
from local.commands import SetupError
from local.setup import SetupPart

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A project of one part and uv. Returns the lock file content of each installation."""
    log: list[str] = []

    def install(part: SetupPart) -> str:
        part.folder.mkdir(exist_ok=True)
        log.append(part.lock.read_text())
        return "test"

    lock = tmp_path / "lock.txt"
    lock.write_text("one")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "PARTS", (SetupPart(tmp_path / "environment", lock, install),))
    monkeypatch.setattr(setup, "UV", SetupPart(tmp_path / "uv", lock, install))
    return log


def test_a_current_environment_is_not_installed_again(installed: list[str]) -> None:
    setup.setup()
    setup.setup()
    assert installed == ["one", "one"]  # uv, environment


def test_a_changed_lock_is_installed(installed: list[str], tmp_path: Path) -> None:
    setup.setup()
    (tmp_path / "lock.txt").write_text("two")
    setup.setup()
    assert installed == ["one", "one", "two", "two"]


def test_an_unfinished_environment_is_installed_again(installed: list[str], tmp_path: Path) -> None:
    setup.setup()
    (tmp_path / "environment" / ".setup-stamp").unlink()
    setup.setup()
    assert installed == ["one", "one", "one"]


def test_a_moved_checkout_is_installed_again(installed: list[str], tmp_path: Path) -> None:
    (part,) = setup.PARTS
    moved = SetupPart(tmp_path / "elsewhere", part.lock, part.install)
    assert part.expected_stamp() != moved.expected_stamp()


def test_a_linked_folder_is_not_changed(installed: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other-checkout"
    other.mkdir()
    (other / ".setup-stamp").write_text("of the other checkout")
    (tmp_path / "environment").symlink_to(other)
    with pytest.raises(SetupError, match=r"environment is a symbolic link to .*other-checkout"):
        setup.setup()
    assert (other / ".setup-stamp").read_text() == "of the other checkout"
    assert installed == ["one"]  # uv only


def test_a_failure_reports_the_output_of_the_command() -> None:
    command = [sys.executable, "-c", "print('no space left'); raise SystemExit(4)"]
    with pytest.raises(SetupError, match=r"(?s)the packages could not.*no space left"):
        commands.run(*command, what="the packages could not be installed")


def test_a_python_that_is_too_old_is_rejected(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1"\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Python 3.11 or newer is required" in done.stderr
    assert "Python 3.9.1" in done.stderr


def test_a_failure_reports_the_last_lines_of_long_output() -> None:
    command = [sys.executable, "-c", "[print('line', n) for n in range(10_000)]; raise SystemExit(1)"]
    with pytest.raises(SetupError) as raised:
        commands.run(*command, what="it failed")
    assert str(raised.value).endswith("line 9999")
    assert len(str(raised.value)) < 5_000


def test_without_uv_the_environment_is_installed_with_pip(
    installed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_part: SetupPart) -> str:
        raise SetupError("no such package")

    monkeypatch.setattr(setup, "UV", SetupPart(tmp_path / "uv", tmp_path / "lock.txt", fail))
    setup.setup()
    assert installed == ["one"]
    assert "uv could not be installed. Using pip instead" in capsys.readouterr().out


def test_a_missing_node_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"need Node\.js 18 or newer with npm"):
        setup.install_node(SetupPart(tmp_path, tmp_path / "package-lock.json", setup.install_node))


def test_the_lock_files_are_resolved_with_the_installed_uv(
    installed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands_run: list[str] = []
    monkeypatch.setattr(setup, "run", lambda *command, what: commands_run.append(str(command[0])))
    setup.lock()
    assert installed == ["one"]  # uv only
    assert set(commands_run) == {str(tmp_path / "uv" / "bin" / "uv"), "npm"}
