"""The recordings of commands on a page are what the commands print now."""

from __future__ import annotations

import re
from pathlib import Path

from llmmanager.cli.parser import command_parsers
from llmmanager.testing import FakeBedrock
from tests.docs.console_page import BLOCK, PAGE, commands_of, normalized, recorded, settings_for


def test_the_page_has_a_recording_of_each_command() -> None:
    blocks = (block["text"] for block in BLOCK.finditer(PAGE.read_text("utf-8")))
    recorded_lines = [line for block in blocks for line in commands_of(block)]
    missing = [
        command.name
        for command, _ in command_parsers()
        if not any(re.search(rf"\bllmmanager {command.name}\b", line) for line in recorded_lines)
    ]
    assert missing == []


def test_the_recordings_are_what_the_commands_print(tmp_path: Path, fake_bedrock: FakeBedrock) -> None:
    page = PAGE.read_text("utf-8")
    again = recorded(page, tmp_path, settings_for(fake_bedrock))
    assert normalized(again) == normalized(page), "run: python -m tests.docs.console_page"
