"""Files that clients send."""

from __future__ import annotations

import base64

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32
PDF = b"%PDF-1.4\n1 0 obj <<>> endobj\n"


def data_url(data: bytes, media_type: str) -> str:
    """Return a data URL with base64."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
