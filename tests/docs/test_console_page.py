"""The recordings of commands on a page are what the commands print now."""

from __future__ import annotations

from pathlib import Path

from llmmanager.cli.command_table import COMMANDS
from llmmanager.testing import FakeBedrock
from tests.docs.console_page import BLOCK, PAGE, normalized, recorded, settings_for

# `local` runs until it is stopped. The others depend on when a batch ends; tests/e2e runs them.
WITHOUT_RECORDING = {"local", "batch stop", "batch resume"}


def test_the_page_has_a_recording_of_each_command() -> None:
    blocks = "".join(block["text"] for block in BLOCK.finditer(PAGE.read_text("utf-8")))
    shown = {command.name for command in COMMANDS if f"llmmanager {command.name}" in blocks}
    assert shown == {command.name for command in COMMANDS} - WITHOUT_RECORDING


def test_the_recordings_are_what_the_commands_print(tmp_path: Path, fake_bedrock: FakeBedrock) -> None:
    page = PAGE.read_text("utf-8")
    again = recorded(page, tmp_path, settings_for(fake_bedrock))
    assert normalized(again) == normalized(page), "run: python -m tests.docs.console_page"
