"""The generated answers are English sentences about the prompt."""

from __future__ import annotations

import re

import pytest

from llmmanager.testing import prose

SUBJECTS = [
    ("Tell me about bees", "bees"),
    ("What is the capital of France?", "the capital of France"),
    ("Could you please explain how bees find their way home in a few words.", "how bees find their way home"),
    ("How do I bake bread?", "how to bake bread"),
    ("Summarise my report in one sentence.", "your report"),
    ("Write a haiku about the sea.", "the sea"),
    ("Where is my package?", "your package"),
    ("Why is the sky blue?", 'your question "Why is the sky blue?"'),
    ("Hello", 'your message "Hello"'),
    ("こんにちは", 'your message "こんにちは"'),
    ('Say "no" to {this}', "your message \"Say 'no' to {this}\""),
    ("", "your request"),
    (
        "one two three four five six seven eight nine",
        'your message "one two three four five six seven eight…"',
    ),
]


@pytest.mark.parametrize(("prompt", "subject"), SUBJECTS)
def test_the_subject_of_a_prompt_is_found_or_the_prompt_is_quoted(prompt: str, subject: str) -> None:
    assert prose.subject_of(prompt) == subject


@pytest.mark.parametrize("seed", ["a", "b", "c", "d"])
@pytest.mark.parametrize("prompt", [prompt for prompt, _ in SUBJECTS] + ["x" * 5000, "{0} {1}", "%s \\1"])
def test_an_answer_consists_of_labeled_sentences_about_the_subject(prompt: str, seed: str) -> None:
    text = prose.write(prompt, seed)
    assert text.startswith(f"{prose.LABEL} ")
    assert text.count(prose.subject_of(prompt)) == 2
    about = text.removeprefix(prose.LABEL).replace(prose.subject_of(prompt), "it")
    sentences = re.findall(r" ([A-Z][^.?!]*[.?!])", about)
    assert len(sentences) == len(set(sentences)) == 5
    assert "".join(f" {sentence}" for sentence in sentences) == about
    assert 60 <= len(text) / 4 <= 160


def test_an_answer_depends_on_prompt_and_seed_only() -> None:
    assert prose.write("Tell me about bees", "1") == prose.write("Tell me about bees", "1")
    assert len({prose.write("Tell me about bees", str(seed)) for seed in range(20)}) > 10
