"""The generated files, and the function that updates each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from local.generate_reference.command_line_page import command_line_page
from local.generate_reference.openapi import openapi_json
from local.generate_reference.problem_rows import http_page

ROOT: Final = Path(__file__).resolve().parents[2]


def _api_page() -> str:
    # Imported here, so that the other files need no griffe.
    from local.generate_reference.api_page import api_page

    return api_page()


# Each function gets the present content of its file.
FILES: Final[Mapping[str, Callable[[str], str]]] = {
    "docs/openapi.json": lambda _: openapi_json(),
    "docs/http-api.md": http_page,
    "docs/command-line.md": lambda _: command_line_page(),
    "docs/api.md": lambda _: _api_page(),
}
