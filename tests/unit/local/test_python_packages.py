"""A lock file installs exactly the packages that it lists, with pip and with uv."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local import python_packages, setup
from local.commands import SetupError
from local.python_packages import (
    VirtualEnvironment,
    install,
    install_with_pip,
    install_with_uv,
)

UV = setup.UV.folder / "bin" / "uv"
INSTALLERS = {"pip": install_with_pip}
if UV.exists():  # `make setup` uses pip if the package index has no uv; the tests do the same
    INSTALLERS["uv"] = partial(install_with_uv, UV)
EACH = pytest.mark.parametrize("install_from", INSTALLERS.values(), ids=INSTALLERS.keys())
Installer = Callable[[VirtualEnvironment], None]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Do not log requests."""


class PackageIndex:
    """A package index on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: dict[str, str] = {}

    def add(
        self, name: str, version: str, *requires: str, extras: str = "", tag: str = "py3-none-any"
    ) -> None:
        """Publish a wheel with one module that depends on `requires`."""
        wheel = self._folder / name / f"{name}-{version}-{tag}.whl"
        wheel.parent.mkdir(exist_ok=True)
        dependencies = [f"Requires-Dist: {requirement}" for requirement in requires]
        extra = [f"Provides-Extra: {extras}"] if extras else []
        metadata = "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *extra, *dependencies]
        )
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": f"version = {version!r}\n",
            f"{info}/METADATA": metadata + "\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        record = [
            f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
            f"{len(text)}"
            for path, text in files.items()
        ]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        self._hashes[f"{name}=={version}"] = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def lock(self, *pins: str) -> str:
        """Return the content of a lock file with these releases."""
        return "".join(f"{pin} \\\n    --hash=sha256:{self._hashes[pin]}\n" for pin in pins)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """The only package index that pip is configured for."""
    folder = tmp_path / "index"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    yield PackageIndex(folder)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def environment(tmp_path: Path) -> VirtualEnvironment:
    return VirtualEnvironment(tmp_path / "environment", tmp_path / "lock.txt")


def installed_version(environment: VirtualEnvironment, module: str) -> str:
    command = [environment.python, "-c", f"import {module}; print({module}.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@EACH
def test_a_newer_release_of_a_dependency_changes_nothing(
    install_from: Installer, index: PackageIndex, environment: VirtualEnvironment
) -> None:
    index.add("runner", "1.0", "coverage[toml]>=1.0")
    index.add("coverage", "1.0", extras="toml")
    environment.lock.write_text(index.lock("runner==1.0", "coverage==1.0"))
    index.add("coverage", "1.1", extras="toml")
    install_from(environment)
    assert installed_version(environment, "coverage") == "1.0"
    assert installed_version(environment, "runner") == "1.0"


@EACH
def test_a_file_with_a_wrong_hash_is_rejected(
    install_from: Installer, index: PackageIndex, environment: VirtualEnvironment
) -> None:
    index.add("runner", "1.0")
    environment.lock.write_text(index.lock("runner==1.0"))
    index.add("runner", "1.0", "something-else")
    with pytest.raises(SetupError, match=r"(?s)packages of lock\.txt could not be installed.*hash"):
        install_from(environment)


def test_a_package_that_leaves_the_lock_file_is_removed(
    index: PackageIndex, environment: VirtualEnvironment
) -> None:
    *_, install_from = INSTALLERS.values()
    index.add("runner", "1.0", "coverage")
    index.add("coverage", "1.0")
    environment.lock.write_text(index.lock("runner==1.0", "coverage==1.0"))
    install_from(environment)
    environment.lock.write_text(index.lock("runner==1.0"))
    install_from(environment)
    with pytest.raises(subprocess.CalledProcessError):
        installed_version(environment, "coverage")


@EACH
def test_the_packages_for_lambda_do_not_depend_on_this_python_and_platform(
    install_from: Installer, index: PackageIndex, environment: VirtualEnvironment
) -> None:
    index.add("compiled", "1.0", tag="cp313-cp313-manylinux_2_28_aarch64")
    environment.lock.write_text(index.lock("compiled==1.0"))
    packages = environment.folder / "packages"
    install_from(replace(environment, lambda_packages=packages))
    assert (packages / "compiled.py").is_file()
    with pytest.raises(subprocess.CalledProcessError):
        installed_version(environment, "compiled")


def test_pip_installs_if_uv_fails(
    index: PackageIndex,
    environment: VirtualEnvironment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index.add("runner", "1.0")
    environment.lock.write_text(index.lock("runner==1.0"))
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'cannot run here'; exit 3\n")
    broken.chmod(0o755)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {setup.UV.folder}/bin/python "$@"\n')
    python.chmod(0o755)
    assert install(environment, broken) == "pip"
    assert "cannot run here" in capsys.readouterr().out
    assert installed_version(environment, "runner") == "1.0"


def test_progress_of_pip_is_printed_every_few_seconds(
    environment: VirtualEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.lock.write_text("one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n")
    seconds = iter([0.0, 1.0, 6.0, 7.0])
    progress = python_packages._PipProgress(environment, clock=lambda: next(seconds))
    for line in ("Collecting one==1.0", "Collecting two==2.0", "Installing collected packages: one, two"):
        progress(line)
    assert capsys.readouterr().out.splitlines() == [
        "  environment: downloading, 2 of 2 packages",
        "  environment: unpacking 2 packages",
    ]
