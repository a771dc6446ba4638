"""The recordings of commands on a page are what the commands print now."""

from __future__ import annotations

from pathlib import Path

from llmmanager.testing import FakeBedrock
from tests.docs.console_page import PAGE, normalized, recorded, settings_for


def test_the_recordings_are_what_the_commands_print(tmp_path: Path, fake_bedrock: FakeBedrock) -> None:
    page = PAGE.read_text("utf-8")
    again = recorded(page, tmp_path, settings_for(fake_bedrock))
    assert normalized(again) == normalized(page), "run: python -m tests.docs.console_page"
