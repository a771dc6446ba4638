"""Code and docs use standard terms: words that readers did not understand do not return."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PARTS = ("llmmanager", "lambdas", "infra", "local", "tests", "docs", "README.md")

# Patterns of words that no text needs. A space also matches the underscore of a name.
BETTER_WORDS = {
    "told": "reported, sent, logged or returned",
    "anew": "again",
    "whoever": "the caller, any caller",
    "nobody": "no caller, no target, or the passive voice",
    "manieth": "number",
    "(?<!for )ways? in(?! which)": "access method",
    "such an? one": "repeat the noun",
    "(that|what) (is|are) (?-i:none)": "invalid, missing or unknown",
    "doors?": "entry point",
    "look again": "refresh",
}
# The text that must stay, by file: stored paths, log fields and test data.
ALLOWED = {
    "docs/batches.md": ("told/",),
    "docs/operations.md": ("`door`",),
    "lambdas/batch/storage.py": ("told/",),
    "lambdas/contract.py": ("told/",),
    "lambdas/shared/metrics.py": ('"door"',),
    "tests/infra/test_iam.py": ("told/",),
    "tests/integration/lambdas/shared/test_metrics_and_health.py": ('"door"',),
    "tests/unit/lambdas/shared/test_metrics.py": ('"door"',),
}
ITSELF = Path(__file__).relative_to(ROOT).as_posix()


def pattern(words: str) -> re.Pattern[str]:
    """Return the pattern of whole words; an underscore separates words."""
    return re.compile(rf"(?<![a-z])(?:{words.replace(' ', '[ _]')})(?![a-z])", re.IGNORECASE)


PATTERNS = {pattern(words): better for words, better in BETTER_WORDS.items()}


def hard_words(text: str, allowed: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield a message for each hard word in a text."""
    for number, line in enumerate(text.splitlines(), start=1):
        for words in allowed:
            line = line.replace(words, "")
        for regex, better in PATTERNS.items():
            if found := regex.search(line):
                yield f"line {number}: instead of {found[0]!r}, write {better}"


def files() -> Iterator[Path]:
    for part in PARTS:
        path = ROOT / part
        yield from (
            [path]
            if path.is_file()
            else (file for file in sorted(path.rglob("*")) if file.suffix in (".py", ".md"))
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("is_told = True", True),
        ("# Asked anew.", True),
        ("def way_in() -> None:", True),
        ("a schedule that is none", True),
        ("untold, renewed, doorbell", False),
        ("the ways in which it fails", False),
        ("for way in ways:", False),
        ("assert what is None", False),
        ("f'told/{run}.json'", False),
    ],
)
def test_hard_words_are_found(text: str, found: bool) -> None:
    assert bool(list(hard_words(text, ("told/",)))) is found


def test_code_and_docs_use_standard_terms() -> None:
    texts = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files()}
    del texts[ITSELF]
    problems = {name: list(hard_words(text, ALLOWED.get(name, ()))) for name, text in texts.items()}
    assert {name: found for name, found in problems.items() if found} == {}
    unused = [name for name, words in ALLOWED.items() if not any(word in texts[name] for word in words)]
    assert unused == [], "remove these from ALLOWED"
