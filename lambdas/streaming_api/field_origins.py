"""Finds the field of the client's request for a field of the Converse request."""

from __future__ import annotations

from collections.abc import Mapping

Origins = Mapping[str, str]
"""Paths in the client's request by path in the Converse request: `messages[0].content[1]` and
`inferenceConfig.maxTokens`, not the members inside them."""


def client_path(path: str, origins: Origins) -> str:
    """Return the path of the client's field that became a field of the Converse request.

    A field inside a known one has its path. Without any, the path itself is returned.
    """
    part = path
    while part:
        if part in origins:
            return origins[part]
        part = part[: max(part.rfind("."), part.rfind("["), 0)]
    return path


def client_problem(problem: str, origins: Origins) -> tuple[str, str]:
    """Return the client's path and the text of a problem of the library, such as `system[0]: is required`."""
    path, separator, text = problem.partition(": ")
    return (client_path(path, origins), text) if separator else ("", problem)
