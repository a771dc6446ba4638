"""HTML elements. Every text that is not an element is escaped, so that it cannot become one."""

from __future__ import annotations

import re
from html import escape

# Control characters, marks that change the direction of the text after them, and halves of surrogate pairs,
# which UTF-8 cannot encode.
_UNSAFE = {
    *range(0x09),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    0x061C,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
    0xFEFF,
}
_REPLACEMENTS = dict.fromkeys(_UNSAFE, "\ufffd")
# More marks above or below one letter than any language has cover the lines around it.
_MARK = r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_MANY_MARKS = re.compile(f"({_MARK}{{4}}){_MARK}+")
_WITHOUT_END = frozenset({"meta", "br"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def el(tag: str, *children: str, **attributes: str | float | None) -> Html:
    """Return an element.

    Args:
        children: elements, and texts, which are escaped.
        attributes: by name, with "_" for "-" and after a keyword of Python (`class_`). None leaves one out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    start = f"<{tag}{given}>"
    return Html(start if tag in _WITHOUT_END else f"{start}{joined(*children)}</{tag}>")


def joined(*children: str) -> Html:
    """Return elements and texts, which are escaped, one after the other."""
    return Html("".join(child if isinstance(child, Html) else _escaped(child) for child in children))


def shortened(text: str, length: int) -> str:
    """Return a text of at most `length` characters, with an ellipsis in place of the rest."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _escaped(text: str) -> str:
    return escape(_MANY_MARKS.sub(r"\1", text.translate(_REPLACEMENTS)))
