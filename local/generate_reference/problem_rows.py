"""The table of problems in docs/http-api.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lambdas.shared.problem_types import PROBLEM_TYPES

_TABLE: Final = re.compile(
    r"(?<=<!-- Written by `make reference`\. -->\n).*?(?=<!-- End of the problems\. -->)", re.DOTALL
)


def http_page(text: str) -> str:
    """Return docs/http-api.md with the table of problems between its two comments.

    Raises:
        ValueError: the page does not have the two comments.
    """
    table = "\n".join(["", *_rows(), "", ""])
    page, count = _TABLE.subn(lambda _: table, text)
    if count != 1:
        raise ValueError("docs/http-api.md must have the two comments around the table of problems")
    return page


def _rows() -> Iterator[str]:
    yield "| status | type | meaning |"
    yield "| --- | --- | --- |"
    for name, (status, meaning, _, place) in PROBLEM_TYPES.items():
        if place != "queue":
            where = "only in `GET /v1/requests/{id}`: " if place == "outcome" else ""
            yield f"| {status} | `{name}` | {where}{meaning} |"
