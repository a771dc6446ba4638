"""The README's library examples run as they stand, against FakeBedrock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock

README = Path(__file__).resolve().parents[3] / "README.md"
EXAMPLES = re.findall(r"<!-- runs: library -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readme_has_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.split("\n", 1)[0])
def test_an_example_runs(code: str, fake_bedrock: FakeBedrock, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, str(README), "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert said or "assert" in code
    assert "None" not in said
