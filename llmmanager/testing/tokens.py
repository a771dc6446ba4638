"""Counts tokens and caches prompt prefixes.

A token has four characters of text, also in a document that is text, up to a limit. Other media blocks have a
fixed number of tokens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ServiceError

CHARS_PER_TOKEN = 4
_MEDIA_TOKENS = {"image": 1600, "document": 3000, "video": 6000, "audio": 1000}
_TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})
_MAX_DOCUMENT_CHARS = 200_000
_TTL_SECONDS = {"5m": 300.0, "1h": 3600.0}
_MAX_PREFIXES = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """A cache point: tokens before it, digest of the content before it, time to live in seconds."""

    tokens: int
    digest: str
    ttl: float


@dataclass(frozen=True)
class InputCount:
    """The number of tokens of a request, and its cache points in order."""

    tokens: int
    checkpoints: tuple[Checkpoint, ...] = ()


def text_tokens(text: str) -> int:
    """Return the number of tokens of `text`, at least 1 unless it is empty."""
    return -(-len(text) // CHARS_PER_TOKEN)


def count_input(body: Mapping[str, Any]) -> InputCount:
    """Count the tools, system and messages of a Converse request, in caching order, and its output schema."""
    chars = media = 0
    digest = hashlib.blake2b(digest_size=16)
    checkpoints = []
    blocks = list(parts(body))
    caches = any("cachePoint" in part for part in blocks)
    for part in blocks:
        if "cachePoint" in part:
            ttl = _TTL_SECONDS[part["cachePoint"].get("ttl", "5m")]
            checkpoints.append(Checkpoint(_total(chars, media), digest.hexdigest(), ttl))
            continue
        more_chars, more_media = _measure(part)
        chars, media = chars + more_chars, media + more_media
        if caches:
            digest.update(json.dumps(part, sort_keys=True).encode())
    # Bedrock adds instructions with the schema to the prompt.
    chars += _measure((body.get("outputConfig") or {}).get("textFormat"))[0]
    return InputCount(max(1, _total(chars, media)), tuple(checkpoints))


def count_native(body: str) -> int:
    """Count the tokens of a model's native request in base64. Raise ServiceError for invalid base64."""
    try:
        return max(1, text_tokens(base64.b64decode(body).decode("utf-8", "replace")))
    except binascii.Error as error:
        raise ServiceError("SerializationException", f"The body is not base64: {error}") from None


@dataclass(frozen=True)
class CacheUse:
    """How a call uses the cache.

    Attributes:
        read, written: tokens.
        written_for_an_hour: those of the written tokens that are kept for an hour.
        store: called when the answer begins. Until then, other calls cannot read what this one writes.
    """

    read: int
    written: int
    store: Callable[[], None]
    written_for_an_hour: int = 0

    @property
    def details(self) -> list[dict[str, Any]]:
        """The written tokens by time to live, as `cacheDetails` in Converse's `usage`."""
        counts = {"1h": self.written_for_an_hour, "5m": self.written - self.written_for_an_hour}
        return [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in counts.items() if tokens]


class PromptCache:
    """The cached prompt prefixes by model and region."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._expiry: dict[tuple[str, str, str], float] = {}

    def begin(self, count: InputCount, *, model_id: str, region: str, min_tokens: int) -> CacheUse:
        """Read the cache for a call that starts. Prefixes shorter than the minimum are not cached."""
        points = [point for point in count.checkpoints if point.tokens >= min_tokens]
        now = self._clock()
        with self._lock:
            warm = [
                point for point in points if self._expiry.get((model_id, region, point.digest), now) > now
            ]
        self._keep(warm, model_id, region)
        read = warm[-1].tokens if warm else 0
        for_an_hour = max((point.tokens for point in points if point.ttl == _TTL_SECONDS["1h"]), default=0)
        return CacheUse(
            read=read,
            written=points[-1].tokens - read if points else 0,
            store=lambda: self._keep(points, model_id, region),
            written_for_an_hour=max(0, for_an_hour - read),
        )

    def _keep(self, points: Iterable[Checkpoint], model_id: str, region: str) -> None:
        now = self._clock()
        with self._lock:
            if len(self._expiry) > _MAX_PREFIXES:
                self._expiry = {key: expiry for key, expiry in self._expiry.items() if expiry > now}
            self._expiry |= {(model_id, region, point.digest): now + point.ttl for point in points}

    def clear(self) -> None:
        """Remove all prefixes."""
        with self._lock:
            self._expiry.clear()


def _total(chars: int, media: int) -> int:
    return -(-chars // CHARS_PER_TOKEN) + media


def parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tools, system blocks and content blocks of a Converse request, in caching order."""
    yield from (body.get("toolConfig") or {}).get("tools") or []
    yield from body.get("system") or []
    for message in body.get("messages") or []:
        yield from message.get("content") or []


def _measure(part: Any) -> tuple[int, int]:
    """Return the characters of all texts in `part`, and the tokens of its media blocks."""
    if isinstance(part, str):
        return len(part), 0
    if isinstance(part, Mapping):
        return _sum(_measure_member(key, value) for key, value in part.items())
    if isinstance(part, list):
        return _sum(map(_measure, part))
    return (0 if part is None else len(str(part))), 0


def _measure_member(key: str, value: Any) -> tuple[int, int]:
    if key in _MEDIA_TOKENS and isinstance(value, Mapping) and "source" in value:
        source = value["source"]
        texts = {name: source[name] for name in ("text", "content") if name in source}
        if value.get("format") in _TEXT_FORMATS and "bytes" in source:
            return min(len(source["bytes"]) * 3 // 4, _MAX_DOCUMENT_CHARS), 0
        return _measure(texts) if texts else (0, _MEDIA_TOKENS[key])
    chars, media = _measure(value)
    return chars + (0 if key in ("text", "json", "content") else len(key)), media


def _sum(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    chars = media = 0
    for more_chars, more_media in pairs:
        chars += more_chars
        media += more_media
    return chars, media
