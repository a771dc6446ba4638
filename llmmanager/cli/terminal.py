"""What the command prints: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_ERASE_LINE: Final = "\r\x1b[K"
# Control characters of an answer could change the terminal. Line feed and tab are harmless.
_CONTROLS: Final = {
    code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
} | {ord("\r"): None}


class Terminal:
    """Prints results and messages. Colour and progress are for terminals only.

    Attributes:
        is_interactive: whether standard output is a terminal.
        shows_progress: whether standard error is a terminal.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._can_erase = environment.get("TERM") != "dumb"
        colourless = bool(environment.get("NO_COLOR")) or not self._can_erase
        self.is_interactive = self._out.isatty()
        self.shows_progress = self._err.isatty()
        self._out_styled = self.is_interactive and not colourless
        self._err_styled = self.shows_progress and not colourless
        self._has_progress = False

    def print(self, text: str = "", *, end: str = "\n", style: str | None = None) -> None:
        """Print a result. A terminal gets no control characters of the text."""
        self.clear_progress()
        if self.is_interactive:
            text = text.translate(_CONTROLS)
        print(_styled(text, style, self._out_styled), end=end, file=self._out, flush=True)

    def print_json(self, value: Any) -> None:
        """Print a value as JSON: indented on a terminal, else on one line."""
        import json

        indent = 2 if self.is_interactive else None
        self.clear_progress()
        print(json.dumps(value, indent=indent, ensure_ascii=True), file=self._out, flush=True)

    def print_table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table with aligned columns. A value that is None becomes "-"."""
        texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
        lines = [list(headings), *texts]
        widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
        for number, line in enumerate(lines):
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.print("  ".join(cells).rstrip(), style=None if number else "bold")

    def note(self, text: str, *, style: str | None = "dim") -> None:
        """Print a message that is not a result."""
        self.clear_progress()
        if self.shows_progress:
            text = text.translate(_CONTROLS)
        print(_styled(text, style, self._err_styled), file=self._err, flush=True)

    def error(self, message: str, advice: str | None = None) -> None:
        """Print why the command ends, and what to do."""
        self.note(f"llmmanager: {message}", style="red")
        if advice:
            self.note(advice, style=None)

    def progress(self, text: str) -> None:
        """Replace the line of progress. It is shown on a terminal only, if that can erase a line."""
        if not (self.shows_progress and self._can_erase):
            return
        import shutil

        width = shutil.get_terminal_size().columns - 1
        print(f"{_ERASE_LINE}{text[:width]}", end="", file=self._err, flush=True)
        self._has_progress = True

    def clear_progress(self) -> None:
        """Remove the line of progress."""
        if self._has_progress:
            print(_ERASE_LINE, end="", file=self._err, flush=True)
            self._has_progress = False


def _styled(text: str, style: str | None, enabled: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if enabled and style and text else text
