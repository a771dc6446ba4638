"""HTML elements and the escaping of texts."""

from __future__ import annotations

import pytest

from llmmanager.batch_report.html_elements import el, joined, shortened


def test_a_text_is_escaped_and_an_element_is_not():
    made = el("p", "<script>alert('1')</script> & ", el("b", "bold"), class_="a", data_label='x" onclick="y')

    assert made == (
        '<p class="a" data-label="x&quot; onclick=&quot;y">'
        "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt; &amp; <b>bold</b></p>"
    )


@pytest.mark.parametrize(
    "character", ["\0", "\x1b", "\x85", "\u202e", "\u2066", "\u200f", "\ud800", "\ufeff"]
)
def test_characters_that_change_the_display_or_cannot_be_encoded_are_replaced(character):
    assert el("p", f"a{character}b").encode() == "<p>a\ufffdb</p>".encode()


def test_line_breaks_and_other_scripts_are_kept():
    assert joined("a\n\tb 你好 שלום 😀") == "a\n\tb 你好 שלום 😀"


def test_marks_that_would_cover_other_lines_are_removed():
    assert joined("e" + "\u0301" * 300 + "a\u0308") == "e" + "\u0301" * 4 + "a\u0308"


def test_an_attribute_without_a_value_is_left_out():
    assert el("meta", charset="utf-8", name=None) == '<meta charset="utf-8">'


def test_a_long_text_is_shortened():
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
