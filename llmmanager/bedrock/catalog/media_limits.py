"""The library's table of limits for images, documents and videos in one request, by model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmmanager.bedrock.catalog.model_table import model_data

_TABLE = os.path.join(os.path.dirname(__file__), "media_limits.json")


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The limits of one model. An unknown limit is None and is not checked.

    Attributes:
        images, videos: maximum number in all messages of a request.
        image_bytes, document_bytes, video_bytes: maximum size of one raw file (not base64).
        document_formats_of_any_size: formats such as "pdf" to which `document_bytes` does not apply.
    """

    images: int | None = None
    image_bytes: int | None = None
    document_bytes: int | None = None
    document_formats_of_any_size: tuple[str, ...] = ()
    videos: int | None = None
    video_bytes: int | None = None

    def max_bytes(self, kind: str, file_format: object) -> int | None:
        """Return the maximum size of a file in bytes, or None.

        Args:
            kind: "image", "document" or "video".
            file_format: such as "pdf".
        """
        if kind == "document":
            return None if file_format in self.document_formats_of_any_size else self.document_bytes
        return self.image_bytes if kind == "image" else self.video_bytes

    def max_count(self, kind: str) -> int | None:
        """Return the maximum number of files of a kind in a request, or None."""
        return {"image": self.images, "video": self.videos}.get(kind)


@cache
def media_limits(model_id: str) -> MediaLimits:
    """Return the limits of a model. A model that is not in the model table has no limits."""
    if model_data(model_id) is None:
        return MediaLimits()
    family = next(row for row in _families() if model_id.startswith(tuple(row["prefixes"])))
    limits = {name: value for name, value in family.items() if name != "prefixes"}
    formats = tuple(limits.pop("document_formats_of_any_size", ()))
    return MediaLimits(document_formats_of_any_size=formats, **limits)


@cache
def _families() -> Sequence[dict[str, Any]]:
    with open(_TABLE, "rb") as file:
        families: Sequence[dict[str, Any]] = json.load(file)["families"]
    return families
