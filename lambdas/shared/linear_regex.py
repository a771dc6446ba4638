"""Regular expressions of callers. RE2 matches them in a time proportional to the length of the text.

Python's `re` uses backtracking: `(a|a)*b` can take hours for 40 letters. RE2 has no back references and
lookarounds, which need backtracking. While it matches, other threads run.
"""

from __future__ import annotations

from typing import Final

import re2

MAX_PATTERN: Final = 500
# Instructions of the compiled pattern. A character can take the time of all of them, 0.1 ms.
MAX_SIZE: Final = 10_000
# Bytes of each compiled pattern. RE2 keeps up to 128 patterns.
_MAX_MEMORY: Final = 1 << 20


class InvalidPattern(ValueError):
    """The pattern is invalid or uses an unsupported construct; the message names it."""


class LinearRegex:
    """A pattern in RE2's syntax.

    Raises:
        InvalidPattern: the pattern is invalid, unsupported or too large.
    """

    def __init__(self, pattern: str) -> None:
        if not 0 < len(pattern) <= MAX_PATTERN:
            raise InvalidPattern(f"must be 1 to {MAX_PATTERN} characters long")
        try:
            self._pattern = re2.compile(_utf8(pattern), _OPTIONS)
        except re2.error as error:
            reason = error.args[0].decode("utf-8", "replace")
            raise InvalidPattern(f"is invalid or not supported: {reason}") from None
        if self._pattern.programsize > MAX_SIZE:
            raise InvalidPattern("is too large: use fewer or smaller repetitions")

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text, or in the text without its final line feed.

        So `$` matches before a final line feed, as in `re`.
        """
        encoded = _utf8(text)
        return self._matches(encoded) or (encoded.endswith(b"\n") and self._matches(encoded[:-1]))

    def _matches(self, encoded: bytes) -> bool:
        return self._pattern.search(encoded) is not None


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    # RE2's log is not in JSON, and has the pattern.
    options.log_errors = False
    return options


def _utf8(text: str) -> bytes:
    # JSON can have lone surrogates.
    return text.encode("utf-8", "surrogatepass")


_OPTIONS: Final = _options()
