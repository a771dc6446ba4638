"""Parse JSON text strictly, and write JSON text that any parser accepts."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from llmmanager.json_format.text_encoding import SIGNATURE_BYTES, unsupported_format, without_byte_order_mark

# Far deeper than any Converse request. The code that processes the value is recursive.
MAX_DEPTH = 100


class InvalidJson(Exception):
    """The text is not valid JSON, or not accepted; the message has the reason."""


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text (UTF-8 if it is bytes). A leading byte order mark is skipped.

    Stricter than `json.loads`: it rejects repeated keys, NaN, Infinity, numbers that exceed a double, and
    values that are nested deeper than `MAX_DEPTH`.

    Raises:
        InvalidJson: the text is not JSON, or is rejected.
    """
    try:
        decoded = without_byte_order_mark(text if isinstance(text, str) else text.decode("utf-8"))
        value = _DECODER.decode(decoded)
    except UnicodeDecodeError as error:
        raise InvalidJson(_unsupported_format(text) or f"not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(
            _unsupported_format(text) or f"not JSON: {error.msg} (character {error.pos})"
        ) from None
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    except ValueError:
        # Python's own message is for programmers.
        raise InvalidJson("unsupported JSON: an integer of more than 4300 digits") from None
    # Counting brackets is cheaper than walking the value.
    if decoded.count("{") + decoded.count("[") > MAX_DEPTH and _is_deeper_than(value, MAX_DEPTH):
        raise InvalidJson(_TOO_DEEP)
    return value


def dump(value: Any) -> bytes:
    """Return compact UTF-8 JSON. If a string has a lone surrogate, all of it is escaped as ASCII.

    Unicode's line separators are escaped, because some readers of lines end a line there.
    """
    text = _UNICODE.encode(value)
    for separator, escape in _LINE_SEPARATORS.items():
        text = text.replace(separator, escape)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _ASCII.encode(value).encode("ascii")


def dump_line(value: Any) -> bytes:
    """Return the value as a line of a JSON Lines file."""
    return dump(value) + b"\n"


def _unsupported_format(text: str | bytes) -> str | None:
    """Return the reason to reject a text that is compressed or not in UTF-8, or None."""
    start = text[:SIGNATURE_BYTES]
    found = unsupported_format(start.encode("utf-8", "replace") if isinstance(start, str) else start)
    return f"not UTF-8 text: it is {found}" if found else None


_TOO_DEEP = f"unsupported JSON: nested more than {MAX_DEPTH} levels deep"
# JSON itself demands escapes for those of ASCII.
_LINE_SEPARATORS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_COMPACT = (",", ":")
_UNICODE = json.JSONEncoder(ensure_ascii=False, separators=_COMPACT, allow_nan=False)
_ASCII = json.JSONEncoder(ensure_ascii=True, separators=_COMPACT, allow_nan=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidJson(f"not JSON: key {repeated[:80]!r} is given twice")
    return members


def _reject_constant(name: str) -> NoReturn:
    raise InvalidJson(f"not JSON: {name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson(f"not JSON: {text[:80]} exceeds a double")
    return number


def _is_deeper_than(value: Any, limit: int) -> bool:
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


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_reject_constant, parse_float=_finite)
