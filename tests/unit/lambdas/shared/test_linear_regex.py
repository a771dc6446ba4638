"""Patterns in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.linear_regex import InvalidPattern, LinearRegex

ATOMS = st.sampled_from(["a", "b", "é", ".", r"\d", r"\W", "[ab]", "[^a]", r"\.", "^", "$", "\n"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=6,
).filter(lambda pattern: len(pattern) <= 500)


@given(PATTERNS, st.text(alphabet="abé.1 \n", max_size=8))
def test_a_text_matches_as_with_re_with_or_without_its_final_line_feed(pattern, text):
    only_at_the_end = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    matches = any(only_at_the_end.search(part) for part in (text, text.removesuffix("\n")))
    assert LinearRegex(pattern).search(text) == matches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d{3}-\d{4}$", "555-1234", True),
        (r"^\d{3}-\d{4}$", "555-12345", False),
        (r'\{.*"answer".*\}', 'so: {"answer": 1}', True),
        ("(?i)yes|no", "NO", True),
        (r"[]\]x]", "]", True),
        ("{", "{", True),
        (r"\bno\b", "yes or no", True),
        (r"^\d+$", "12\n", True),
        (r"^\d+$", "12\n\n", False),
        (r"^\pL+$", "café", True),
        (r"^\w+$", "café", False),
        ("^.$", "\ud800", True),
    ],
)
def test_typical_patterns_of_callers(pattern, text, found):
    assert LinearRegex(pattern).search(text) is found


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a+)+b", "a*a*a*a*a*a*b", "(a?){30}a{30}b", "(.*)(.*)(.*)x"])
def test_a_pattern_with_catastrophic_backtracking_in_re_is_matched_without(pattern):
    assert not LinearRegex(pattern).search("a" * 20_000)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "1 to 500 characters"),
        ("a" * 501, "1 to 500 characters"),
        ("(", "missing ): ("),
        (")", "unexpected ): )"),
        ("[", "missing ]: ["),
        ("[b-a]", "b-a"),
        ("*", "no argument for repetition operator: *"),
        ("a**", "**"),
        ("a++", "++"),
        ("a{2,1}", "{2,1}"),
        (r"(a)\1", r"\1"),
        (r"\Z", r"\Z"),
        ("\\", "trailing \\"),
        ("(?=a)", "(?="),
        ("(?<!a)b", "(?<"),
        (".{1001}", "{1001}"),
        ("((a{50}){50}){50}", "{50}"),
        ("(a.{999}|b.{999})", "too large"),
        (r"\pL{2,900}", "too large"),
    ],
)
def test_an_unsupported_pattern_is_rejected_with_the_construct(pattern, reason):
    with pytest.raises(InvalidPattern) as raised:
        LinearRegex(pattern)
    assert reason in str(raised.value)


def test_a_repetition_can_have_the_length_of_a_paragraph():
    assert LinearRegex("^.{1,1000}$").search("a" * 1000)
