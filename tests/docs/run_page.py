"""Run the Python examples of a page as a reader does, twice: `python run_page.py PAGE`, in any folder.

Exits with an error when an example fails, or prints something else than the page shows.
"""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from llmmanager.testing import FakeBedrock
from tests.loopback import loopback_only

EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\s*^```text\n(?P<output>.*?)^```$)?", re.DOTALL | re.MULTILINE
)
FILES = ("image.png", "report.pdf", "clip.mp4", "question.wav")


@dataclass(frozen=True)
class Example:
    """A Python block, and the output that the page shows right below it (None if it shows none)."""

    code: str
    line: int
    output: str | None


def examples_of(page: Path) -> list[Example]:
    """Return the Python blocks of a page in order."""
    text = page.read_text("utf-8")
    return [
        Example(match["code"], text.count("\n", 0, match.start("code")), match["output"])
        for match in EXAMPLE.finditer(text)
    ]


def run_page(page: Path) -> None:
    """Run all examples of a page in order, as one program.

    Raises:
        AssertionError: an example prints something else than the page shows.
    """
    variables: dict[str, Any] = {"__name__": "__main__"}
    for example in examples_of(page):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            # The empty lines make a traceback show the line of the page.
            code = compile("\n" * example.line + example.code, str(page), "exec", dont_inherit=True)
            exec(code, variables)
            call_tests(variables)
        if example.output is not None:
            same = doctest.OutputChecker().check_output(example.output, printed.getvalue(), doctest.ELLIPSIS)
            shown = f"{page}:{example.line} shows\n{example.output}\nbut prints\n{printed.getvalue()}"
            assert same, shown


def call_tests(variables: dict[str, Any]) -> None:
    """Call the test functions that an example has defined once, as pytest does."""
    tests = [name for name in variables if name.startswith("test_")]
    for test in [variables.pop(name) for name in tests]:
        with FakeBedrock() as bedrock, pytest.MonkeyPatch.context() as monkeypatch:
            for name, value in bedrock.environment.items():
                monkeypatch.setenv(name, value)
            fixtures = {"fake_bedrock": bedrock, "monkeypatch": monkeypatch}
            test(**{name: fixtures[name] for name in inspect.signature(test).parameters})


def main(page: Path) -> None:
    for name in FILES:
        Path(name).write_bytes(name.encode())
    with loopback_only(), FakeBedrock() as bedrock:
        for _ in range(2):
            with patch.dict(os.environ, bedrock.environment):
                run_page(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
