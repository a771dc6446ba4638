"""What is printed on a terminal."""

from __future__ import annotations

import io

import pytest

from llmmanager.cli.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({}, "\r\x1b[K1 of 2\r\x1b[K\x1b[31mfailed\x1b[0m\n"),
        ({"NO_COLOR": "1"}, "\r\x1b[K1 of 2\r\x1b[Kfailed\n"),
        ({"TERM": "dumb"}, "failed\n"),
    ],
)
def test_colour_and_progress_are_what_the_terminal_can_show(
    environment: dict[str, str], printed: str
) -> None:
    screen = Screen()
    terminal = Terminal(io.StringIO(), screen, environment)

    terminal.progress("1 of 2")
    terminal.note("failed", style="red")

    assert screen.getvalue() == printed
