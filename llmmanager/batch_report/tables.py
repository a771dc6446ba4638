"""Tables of the report. On a narrow screen, each row becomes a list of labelled values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmmanager.batch_report.html_elements import Html, el, joined


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, more: str | None = None
) -> Html:
    """Return a table.

    Args:
        rows: the cells of each row; the first one is its heading.
        numbers: how many columns after the first one are numbers.
        more: what is not shown, such as "and 3 more in failed.jsonl".
    """
    # The roles stay when the style sheet shows the rows as lists.
    head = el(
        "tr",
        *(
            _cell("th", header, index <= numbers and index > 0, scope="col")
            for index, header in enumerate(headers)
        ),
        role="row",
    )
    body = [
        el(
            "tr",
            el("th", row[0], scope="row", role="rowheader"),
            *(
                _cell("td", cell, index <= numbers, role="cell", data_label=headers[index])
                for index, cell in enumerate(row[1:], start=1)
            ),
            role="row",
        )
        for row in rows
    ]
    return joined(
        el(
            "table",
            el("thead", head, role="rowgroup"),
            el("tbody", *body, role="rowgroup"),
            role="table",
        ),
        el("p", more, class_="muted") if more else "",
    )


def _cell(tag: str, content: str, is_number: bool, **attributes: str) -> Html:
    # The element keeps the value together beside its label.
    inner = el("span", content) if tag == "td" else content
    return el(tag, inner, class_="number" if is_number else None, **attributes)
