"""Types of the citations in an answer.

Names and members are those of Bedrock's API, except that its `Citation` is `CitationBlock` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class CitationsContentBlock(TypedDict, total=False):
    """Text of the model with its sources."""

    content: Sequence[CitationGeneratedContent]
    citations: Sequence[CitationBlock]


class CitationGeneratedContent(TypedDict, total=False):
    """A part of a cited text."""

    text: str


class CitationBlock(TypedDict, total=False):
    """A source of a text."""

    title: str
    source: str
    sourceContent: Sequence[CitationSourceContent]
    location: CitationLocation


class CitationSourceContent(TypedDict, total=False):
    """A part of the source that is cited."""

    text: str


class CitationLocation(TypedDict, total=False):
    """The cited part of a source: exactly one of the members."""

    web: WebLocation
    documentChar: DocumentCharLocation
    documentPage: DocumentPageLocation
    documentChunk: DocumentChunkLocation
    searchResultLocation: SearchResultLocation


class WebLocation(TypedDict, total=False):
    """A page of the web."""

    url: str
    domain: str


class DocumentCharLocation(TypedDict, total=False):
    """Characters of a document."""

    documentIndex: int
    start: int
    end: int


class DocumentPageLocation(TypedDict, total=False):
    """Pages of a document."""

    documentIndex: int
    start: int
    end: int


class DocumentChunkLocation(TypedDict, total=False):
    """Chunks of a document."""

    documentIndex: int
    start: int
    end: int


class SearchResultLocation(TypedDict, total=False):
    """Parts of a search result."""

    searchResultIndex: int
    start: int
    end: int
