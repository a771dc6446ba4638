"""The README's library examples run as they stand, pasted into a clean shell, against FakeBedrock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.outputs import export_lines
from llmmanager.testing import FakeBedrock
from tests.clean_shell import as_script, as_session, paste

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = re.findall(
    r"<!-- runs: library -->\n```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
)


def test_the_readme_has_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.split("\n", 1)[0])
def test_an_example_can_be_pasted_in_any_folder_twice(
    code: str, fake_bedrock: FakeBedrock, tmp_path: Path
) -> None:
    # PYTHONPATH stands for `pip install .`.
    settings = "\n".join(export_lines({**fake_bedrock.environment, "PYTHONPATH": str(ROOT)}))
    for way in (as_script(code), as_session(code)):
        printed = paste(settings, way, folder=tmp_path)
        assert printed
        assert not re.search(r"\bNone\b", printed)
