"""The README's settings, commands and links are correct."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()


def plain(value: object) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def test_the_settings_table_has_the_values_of_cdk_json() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    settings = {key: plain(value) for key, value in context.items() if not key.startswith("@")}
    section = README.split("## Settings")[1].split("## ")[0]
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    assert {key: "" if value.startswith("(") else value for key, value in table.items()} == settings


def test_every_make_command_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
