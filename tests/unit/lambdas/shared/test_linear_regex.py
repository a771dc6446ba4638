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
def test_a_text_matches_as_with_re(pattern, text):
    assert LinearRegex(pattern).search(text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d{3}-\d{4}$", "555-1234", True),
        (r"^\d{3}-\d{4}$", "555-12345", False),
        (r'\{.*"answer".*\}', 'so: {"answer": 1}', True),
        ("(?i)yes|no", "NO", True),
        (r"[]\]x]", "]", True),
        ("{", "{", True),
    ],
)
def test_typical_patterns_of_callers(pattern, text, found):
    assert LinearRegex(pattern).search(text) is found


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a+)+b", "a*a*a*a*a*a*b", "(a?){30}a{30}b", "(.*)(.*)(.*)x"])
def test_a_pattern_with_catastrophic_backtracking_in_re_reads_each_character_once(pattern):
    assert not LinearRegex(pattern).search("a" * 2_000)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a" * 501,
        "(",
        ")",
        "[",
        "[b-a]",
        "*",
        "a**",
        "a++",
        "a{2,1}",
        r"(a)\1",
        r"\b",
        "\\",
        "(?=a)",
        "(?<!a)b",
        "(?P<n>a)",
        "((a{50}){50}){50}",
        "(((){9999}){9999}){9999}",
        "(" * 30 + ")" * 30,
        "a(?i)",
        "[[a]]",
        "[\\",
    ],
)
def test_an_unsupported_pattern_is_rejected(pattern):
    with pytest.raises(InvalidPattern):
        LinearRegex(pattern)
