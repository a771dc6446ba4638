"""Docstrings become text, tables and links; an incomplete docstring is an error."""

from __future__ import annotations

import griffe
import pytest

from local.generate_reference.docstring_text import errors_text, linked, paragraphs, parts_of, row_of, table

CODE = '''
def complete(first, second, third):
    """Do a thing
    at once.

    More about it.

    Args:
        first: the first
            argument.
        second, third: the others.

    Returns:
        What was done

    Raises:
        ValueError: it cannot
            be done.
        KeyError, OSError: it failed.
    """

def with_a_loose_line(first):
    """Do it.

    Args:
        first: the argument.
        Everything else is as usual.
    """

def with_an_example():
    """Do it.

    Examples:
        >>> with_an_example()
    """

def short():
    """Do it.

    Raises:
        ValueError: it cannot be done.
    """

def bare():
    pass
'''


@pytest.fixture(scope="module")
def module():
    with griffe.temporary_visited_module(CODE) as visited:
        yield visited


def test_the_sections_of_a_docstring_are_read(module):
    parts = parts_of(module["complete"])
    assert paragraphs(parts.text) == "Do a thing at once.\n\nMore about it."
    assert parts.returns == "Returns: What was done."
    assert parts.items == {"first": "the first argument.", "second": "the others.", "third": "the others."}
    assert errors_text(parts) == (
        "Raises\n\n- `ValueError`: it cannot be done.\n- `KeyError`, `OSError`: it failed."
    )


def test_a_row_has_the_whole_docstring_on_one_line(module):
    assert row_of(parts_of(module["short"])) == "Do it. Raises `ValueError`: it cannot be done."


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("with_a_loose_line", "is invalid: .*Everything else is as usual"),
        ("with_an_example", "has a section that docs/api.md does not show: examples"),
        ("bare", "needs a docstring"),
    ],
)
def test_a_docstring_that_the_page_cannot_show_is_an_error(module, name, problem):
    with pytest.raises(ValueError, match=f"{name} .*{problem}|docstring of .*{name} {problem}"):
        parts_of(module[name])


def test_neighbours_with_the_same_meaning_share_a_row():
    assert table("name", {"a": "one", "b": "one", "c": "x | y"}, links={"c": "there"}) == (
        "| name | meaning |\n| --- | --- |\n| `a`, `b` | one |\n| [`c`](#there) | x \\| y |"
    )


def test_names_of_the_page_become_links_except_in_their_own_section():
    anchors = {"Thing": "thing", "Thing.run": "thingrun", "Other": "other"}
    text = "`Thing`, `Thing.run`, `Thing.stop()`, `Other()`, `unknown`"
    assert linked(text, anchors, of="Other") == (
        "[`Thing`](#thing), [`Thing.run`](#thingrun), [`Thing.stop()`](#thing), `Other()`, `unknown`"
    )
