"""The generated files, and the function that updates each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from local.generate_reference.openapi import openapi_json
from local.generate_reference.problem_rows import http_page

ROOT: Final = Path(__file__).resolve().parents[2]

# Each function gets the present content of its file.
FILES: Final[Mapping[str, Callable[[str], str]]] = {
    "docs/openapi.json": lambda _: openapi_json(),
    "docs/http-api.md": http_page,
}
