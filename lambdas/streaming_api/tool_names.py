"""Names and ids of tools in the form that Converse accepts.

Converse accepts at most 64 characters: letters, digits, `_` and `-`, in ids also `.` and `:`. Clients send
longer names, such as those of MCP servers, and other characters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
_STEM_LENGTH = 51
_HASH_LENGTH = 12


def accepted_name(name: str) -> str:
    """Return a tool's name, shortened with a hash if Converse does not accept it.

    The result depends on the name only, so that a tool has the same name in every turn.
    """
    return name if _NAME.fullmatch(name) else _hashed(name)


def changed_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names that Converse does not accept, by the name that is sent instead."""
    return {sent: name for name in names if (sent := accepted_name(name)) != name}


class ToolIds:
    """The ids of the tool calls in one conversation.

    Claude rejects a conversation that uses an id twice. Some clients count the calls of each turn from 0, and
    others give the parallel calls of a turn the same id. So a repeated id gets a suffix, and results with the
    same id belong to these calls in their order.
    """

    def __init__(self) -> None:
        self._without_result: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}

    def of_call(self, given: str) -> str:
        """Return the id to send for a tool call."""
        sent = self._accepted(given)
        while sent in self._used:
            # Each number is tried once, so that the time is proportional to the number of calls.
            self._numbers[given] = number = self._numbers.get(given, 1) + 1
            sent = self._accepted(f"{given}-{number}")
        self._used.add(sent)
        self._without_result.setdefault(given, []).append(sent)
        return sent

    def of_result(self, given: str) -> str:
        """Return the id to send for the result of the first call with this id that has none yet.

        If each has one, it is the id of the last result, which is then rejected as a repeated one.
        """
        if calls := self._without_result.get(given):
            self._last[given] = calls.pop(0)
        return self._last.get(given) or self._accepted(given)

    def _accepted(self, given: str) -> str:
        return given if _ID.fullmatch(given) else _hashed(given)


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_OTHER.sub('_', text)[:_STEM_LENGTH]}_{digest[:_HASH_LENGTH]}"
