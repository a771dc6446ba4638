"""Generates English sentences about the subject of a prompt. The same prompt gets the same sentences.

The subject ("the capital of France", "how to bake bread") is inserted into sentences that are grammatical
with any subject. A prompt without a recognized subject is quoted.
"""

from __future__ import annotations

import random
import re

LABEL = "Test answer by FakeBedrock:"
_MAX_PROMPT_CHARS = 2000
_MAX_WORDS = 10
_QUOTED_WORDS = 8

_POLITE = re.compile(
    r"^(?:(?:please|hello|hi|hey|thanks|ok(?:ay)?|now|so|and)\b[\s,!.]*|"
    r"(?:can|could|would|will) you (?:please )?|i (?:want|need|would like) you to |"
    r"i(?:'d| would) like to know )+",
    re.IGNORECASE,
)
_SUBJECTS = (
    r"(?:tell|teach|inform|remind) (?:me|us)(?: (?:more|something|everything))? (?:about|of) (.+)",
    r"(?:what|who|where|when|which)(?:'s| is| are| was| were) ((?:the|a|an|my|our|your|this|that|these) .+)",
    r"(?:what|who)(?:'s| is| are| was| were) ([^,]+)",
    r"what do you (?:know|think) (?:about|of) (.+)",
    r"(?:write|compose|draft|give|create|make)(?: me| us)? [^,]*?\b(?:about|on|for) (.+)",
    r"(?:explain|describe|discuss|define|summari[sz]e|review|analy[sz]e|compare|outline|list)"
    r"(?: to me| for me| briefly)? (.+)",
)
_HOW_TO = re.compile(r"how (?:do|can|could|should|would) (?:i|we|you|one) (.+)", re.IGNORECASE)
_EXTRAS = re.compile(
    r"\s+(?:in|with|within|using) (?:at most |no more than |about |exactly )?"
    r"(?:a|an|one|two|three|five|ten|\d+)\s*(?:few |short |simple |single )*"
    r"(?:words?|sentences?|lines?|paragraphs?|bullet points?|points?|steps?)\b.*$",
    re.IGNORECASE,
)
_PUNCTUATION = re.compile(r"[.?!:;\"{}\[\]]")
_PERSONS = {"my": "your", "our": "your", "me": "you", "us": "you", "mine": "yours", "i": "you", "am": "are"}

_OPENINGS = (
    "Here is a short overview of {0}.",
    "Let us look at {0} step by step.",
    "There are three things to say about {0}.",
    "Thank you for asking about {0}.",
    "A few sentences are enough for a first look at {0}.",
)
_POINTS = (
    "Context matters: it decides which details are important and which can wait.",
    "It helps to start small, to measure the result and to change one thing at a time.",
    "Most mistakes come from skipping the first step, so it is worth doing that one carefully.",
    "Experts disagree on the details, but they agree on the main idea.",
    "A simple example makes this clear: a small team tried it for a month and kept the parts that worked.",
    "The usual cases are easy to explain; the unusual ones need a second look.",
    "Two independent sources are normally enough to check the important numbers.",
    "In practice, people begin with the simplest option and improve on it later.",
    "The cost is easier to estimate than it looks, because only a few factors change it.",
    "There are exceptions, and it is better to know them before you decide.",
    "Good notes save time here, because the same questions come up again.",
)
_CLOSINGS = (
    "If you tell me more about your situation, I can be more specific about {0}.",
    "There is more to say about {0}; ask me about any part of it.",
    "I hope that this gives you a clear start with {0}.",
)


def write(prompt: str, seed: str) -> str:
    """Return a labeled paragraph about `prompt`. `seed` selects the sentences."""
    rng = random.Random(seed)
    subject = subject_of(prompt)
    sentences = [
        LABEL,
        rng.choice(_OPENINGS).format(subject),
        *rng.sample(_POINTS, 3),
        rng.choice(_CLOSINGS).format(subject),
    ]
    return " ".join(sentences)


def subject_of(prompt: str) -> str:
    """Return the subject of `prompt` for use in a sentence, or the quoted prompt."""
    text = " ".join(prompt[:_MAX_PROMPT_CHARS].split())
    if not text:
        return "your request"
    sentence = re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0] if len(text) > 60 else text
    bare = _EXTRAS.sub("", _POLITE.sub("", sentence).strip().rstrip(" .?!:;,"))
    subject = _subject(bare)
    if subject is not None and len(subject.split()) <= _MAX_WORDS and not _PUNCTUATION.search(subject):
        return _second_person(subject)
    return f"your {_kind(sentence)} {_quoted(text)}"


def _subject(bare: str) -> str | None:
    if match := _HOW_TO.fullmatch(bare):
        return f"how to {match[1]}"
    for pattern in _SUBJECTS:
        if match := re.fullmatch(pattern, bare, re.IGNORECASE):
            return match[1]
    return None


def _second_person(subject: str) -> str:
    """Return `subject` in the second person: "my cat" becomes "your cat"."""
    return " ".join(_PERSONS.get(word.lower(), word) for word in subject.split())


def _kind(sentence: str) -> str:
    return "question" if sentence.rstrip().endswith("?") else "message"


def _quoted(text: str) -> str:
    words = text.split()
    shown = " ".join(words[:_QUOTED_WORDS])
    if len(shown) > 80:
        shown, words = shown[:80], [*words, ""]
    shown = shown.replace('"', "'").rstrip(" .,;:!")
    return f'"{shown}…"' if len(words) > _QUOTED_WORDS else f'"{shown}"'
