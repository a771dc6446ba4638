"""docs/api.md is up to date, and a public name or parameter without a description is an error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from local.generate_reference import api_page
from local.generate_reference.api_layout import SECTIONS
from local.generate_reference.docstring_text import parts_of
from local.generate_reference.documented import documented
from local.generate_reference.files import ROOT

ENTRY = next(entry for section in SECTIONS for entry in section.entries if entry.name == "Deadline")


def test_the_page_is_up_to_date():
    if api_page.api_page() != (ROOT / "docs" / "api.md").read_text("utf-8"):
        pytest.fail("docs/api.md is out of date. Run: make reference", pytrace=False)


def test_a_field_without_a_description_is_an_error():
    @dataclass
    class Deadline:
        at: float
        undescribed: int = 0

    item = documented(ENTRY)
    changed = type(item)(item.entry, Deadline, item.source)
    with pytest.raises(ValueError, match="the docstring of Deadline needs a description of undescribed"):
        list(api_page._class(changed, parts_of(item.source)))
