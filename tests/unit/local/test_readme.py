"""The table of settings, and the commands and links of the README, are correct."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text("utf-8")
DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text("utf-8")


def plain(value: object) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def test_the_settings_table_has_the_values_of_cdk_json() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    settings = {key: plain(value) for key, value in context.items() if not key.startswith("@")}
    section = DEPLOYMENT.split("## Settings")[1].split("## ")[0]
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    assert {key: "" if value.startswith("(") else value for key, value in table.items()} == settings


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_every_make_command_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets
