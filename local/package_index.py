"""Translate the package index configuration of pip into options of uv."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.commands import run

# Settings of pip that can have several values; the option of uv for each value.
_REPEATED_OPTIONS = {
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
_VARIABLES = {
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
}
# The cache folder does not change which packages are installed. Other variables of uv can.
_KEPT_VARIABLES = ("UV_CACHE_DIR",)


@dataclass(frozen=True)
class UvSettings:
    """Options and variables that make uv use the package index of pip's configuration.

    Attributes:
        options: command-line options of `uv pip install`.
        variables: additional environment variables for uv.
    """

    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment to run uv in, without the user's own settings of uv."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("UV_") or name in _KEPT_VARIABLES
        }
        return {**kept, "UV_PYTHON_DOWNLOADS": "never", **self.variables}


def pip_configuration(python: Path) -> dict[str, str]:
    """Return the settings of `pip install`, by long option name.

    As in pip, environment variables override the section `install`, which overrides `global`.

    Args:
        python: a Python that has pip.

    Raises:
        SetupError: `pip config list` fails.
    """
    lines: list[str] = []
    run(
        *(python, "-m", "pip", "config", "list"),
        what="pip's configuration cannot be read",
        on_line=lines.append,
    )
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in lines:
        name, separator, value = line.strip().partition("=")
        section, _, option = name.partition(".")
        if separator and section in sections:
            sections[section][option] = _unquoted(value)
    settings = {**sections["global"], **sections["install"], **sections[":env:"]}
    if "default-timeout" in settings:
        settings.setdefault("timeout", settings.pop("default-timeout"))
    return settings


def uv_settings(pip: Mapping[str, str]) -> UvSettings:
    """Translate pip's settings into uv's.

    Args:
        pip: settings by long option name, as returned by `pip_configuration`.
    """
    options = []
    if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    if "index-url" in pip:
        options += ["--default-index", pip["index-url"]]
    for name, option in _REPEATED_OPTIONS.items():
        for value in pip.get(name, "").split():
            options += [option, value]
    variables = {
        variable: pip[name] for name, variables in _VARIABLES.items() if name in pip for variable in variables
    }
    return UvSettings(tuple(options), variables)


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value
