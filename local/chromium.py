"""Chromium for `make test-browser`: find it, or install it from Debian or Ubuntu."""

from __future__ import annotations

import os
import shutil
import sys

from local.commands import SetupError, run

# The fonts have the characters of texts in the tests.
_PACKAGES = ("chromium", "fonts-dejavu-core")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NOT_FOUND = (
    f"Chromium was not found: none of {', '.join(_NAMES)} is on PATH. Install it, on Debian with "
    "`apt-get install chromium` as root, or run `make test-browser` as root."
)


def find_chromium() -> str:
    """Return the path of Chromium, or of Chrome.

    Raises:
        SetupError: it is not on PATH.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise SetupError(_NOT_FOUND)
    return found


def install_chromium() -> None:
    """Install the package `chromium` of the system, unless Chromium is on PATH.

    Raises:
        SetupError: it cannot be installed.
    """
    if any(map(shutil.which, _NAMES)):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise SetupError(_NOT_FOUND)
    print("Installing chromium with apt-get ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update", "-q"), ("install", "-q", "-y", "--no-install-recommends", *_PACKAGES)):
        run("apt-get", *command, what="chromium cannot be installed", env=environment)
    find_chromium()


if __name__ == "__main__":
    try:
        install_chromium()
    except SetupError as error:
        sys.exit(f"chromium: {error}")
