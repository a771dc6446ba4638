"""Finds the field of the client's request for a field of the Converse request."""

from __future__ import annotations

import re
from collections.abc import Mapping

Origins = Mapping[str, str]
"""Paths in the client's request by path in the Converse request: `messages[0].content[1]` and
`inferenceConfig.maxTokens`, not the members inside them."""

_PATH = re.compile(r"[\w-]+([.\[].*)?")


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
    """Return the client's path and the text of a problem, such as `system[0]: is required`.

    The path is empty for a problem without one, such as an error of Bedrock.
    """
    path, separator, text = problem.partition(": ")
    if not separator or not _PATH.fullmatch(path):
        return "", problem
    return client_path(path, origins), text
