"""The generated files are those that the code gives.

tests/unit/local/generate_reference/test_api_page.py checks docs/api.md.
"""

from __future__ import annotations

import pytest

from local.generate_reference.files import FILES, ROOT


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"docs/api.md"}))
def test_a_generated_file_is_up_to_date(name: str) -> None:
    present = (ROOT / name).read_text("utf-8")
    if FILES[name](present) != present:
        pytest.fail(f"{name} is out of date. Run: make reference", pytrace=False)
