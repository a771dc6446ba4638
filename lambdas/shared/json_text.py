"""Read JSON text from outside strictly, and write JSON text that any reader accepts."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from lambdas.shared.text_encoding import SIGNS_BYTES, foreign_format, without_byte_order_mark

# Far deeper than any Converse request; what walks the value after us is recursive.
MAX_DEPTH = 100


class InvalidJson(Exception):
    """The text is not valid JSON, or not of the accepted kind; the message says what is wrong."""


def parse(text: str | bytes) -> Any:
    """Return the value that `text` (UTF-8 when bytes) describes. A byte order mark in front is skipped.

    Stricter than `json.loads`: a key given twice, NaN, Infinity and numbers beyond a double are refused,
    and so is what is nested deeper than `MAX_DEPTH`.

    Raises:
        InvalidJson: the text is not JSON, or not of this kind.
    """
    try:
        decoded = without_byte_order_mark(text if isinstance(text, str) else text.decode("utf-8"))
        value = _DECODER.decode(decoded)
    except UnicodeDecodeError as error:
        raise InvalidJson(_foreign(text) or f"not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(_foreign(text) or f"not JSON: {error.msg} (character {error.pos})") from None
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    except ValueError:
        # What Python says of it is advice to programmers.
        raise InvalidJson("not JSON that can be used: an integer of more than 4300 digits") from None
    # Few brackets cannot be nested deeply, and counting them is cheaper than a walk.
    if decoded.count("{") + decoded.count("[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise InvalidJson(_TOO_DEEP)
    return value


def dump(value: Any) -> bytes:
    """Compact UTF-8 JSON. Text that UTF-8 cannot hold (a lone surrogate) makes it all ASCII escapes."""
    try:
        return _UNICODE.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return _ASCII.encode(value).encode("ascii")


def dump_line(value: Any) -> bytes:
    """`dump` and a newline: one line of a JSON Lines file."""
    return dump(value) + b"\n"


def _foreign(text: str | bytes) -> str | None:
    """What is wrong with a text that is compressed, or not in UTF-8."""
    start = text[:SIGNS_BYTES]
    found = foreign_format(start.encode("utf-8", "replace") if isinstance(start, str) else start)
    return f"not UTF-8 text: it is {found}" if found else None


_TOO_DEEP = f"not JSON that can be used: nested more than {MAX_DEPTH} levels deep"
_COMPACT = (",", ":")
_UNICODE = json.JSONEncoder(ensure_ascii=False, separators=_COMPACT, allow_nan=False)
_ASCII = json.JSONEncoder(ensure_ascii=True, separators=_COMPACT, allow_nan=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidJson(f"not JSON: key {twice[:80]!r} is given twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise InvalidJson(f"not JSON: {name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson(f"not JSON: {text[:80]} is beyond a double")
    return number


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
