"""Chromium is found on PATH, or installed with apt-get, or its absence is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import chromium
from local.commands import SetupError


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 0)
    return tmp_path


def add_command(path: Path, script: str = "exit 0") -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_chromium_or_chrome_on_path_is_found(path: Path) -> None:
    add_command(path / "google-chrome")
    chromium.install_chromium()
    assert chromium.find_chromium() == str(path / "google-chrome")

    add_command(path / "chromium")
    assert chromium.find_chromium() == str(path / "chromium")


def test_it_is_installed_with_apt_get(path: Path) -> None:
    add_command(path / "package")
    add_command(
        path / "apt-get",
        f'echo "$@" >> {path}/log; [ "$1" = update ] || /bin/mv {path}/package {path}/chromium',
    )

    chromium.install_chromium()

    assert (path / "log").read_text() == (
        "update -q\ninstall -q -y --no-install-recommends chromium fonts-dejavu-core\n"
    )


def test_a_failed_installation_is_an_error(path: Path) -> None:
    add_command(path / "apt-get", "echo no network; exit 100")

    with pytest.raises(SetupError, match=r"chromium cannot be installed: (.|\n)*no network"):
        chromium.install_chromium()


def test_without_apt_get_or_root_the_absence_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="Chromium was not found"):
        chromium.install_chromium()

    add_command(path / "apt-get")
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="Chromium was not found"):
        chromium.install_chromium()
