"""Citations of answers in the form of Anthropic's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Converse's locations with the type in Anthropic's API, and the names of the first and the last position.
_IN_DOCUMENTS = {
    "documentChar": ("char_location", "start_char_index", "end_char_index"),
    "documentPage": ("page_location", "start_page_number", "end_page_number"),
    "documentChunk": ("content_block_location", "start_block_index", "end_block_index"),
}


def citation_of(citation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the citation, or None if its location has no equivalent."""
    title = citation.get("title")
    cited = "".join(part.get("text", "") for part in citation.get("sourceContent") or ())
    location = citation.get("location") or {}
    for name, (type_, start, end) in _IN_DOCUMENTS.items():
        if name in location:
            found = location[name]
            return {
                "type": type_,
                "cited_text": cited,
                "document_index": found.get("documentIndex", 0),
                "document_title": title,
                start: found.get("start", 0),
                end: found.get("end", 0),
            }
    if "searchResultLocation" in location:
        found = location["searchResultLocation"]
        return {
            "type": "search_result_location",
            "cited_text": cited,
            "search_result_index": found.get("searchResultIndex", 0),
            "source": citation.get("source", ""),
            "title": title,
            "start_block_index": found.get("start", 0),
            "end_block_index": found.get("end", 0),
        }
    return None
