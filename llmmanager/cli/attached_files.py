"""Files that are attached to a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llmmanager.bedrock.models.file_formats import FORMATS, kind_of
from llmmanager.cli.exit_status import CommandError
from llmmanager.message_builder import MessageBuilder


def add_files(builder: MessageBuilder, paths: Iterable[Path]) -> None:
    """Add files to a message: images, documents and videos. Other text is a document too.

    Raises:
        CommandError: the format of a file is not supported.
        RequestValidationError, ContentError: a file is invalid or empty.
        OSError: a file cannot be read.
    """
    for path in paths:
        data = path.read_bytes()
        kind = kind_of(data, path.name)
        if kind == "image":
            builder.add_image_bytes(data, filename=path.name)
        elif kind == "video":
            builder.add_video_bytes(data, filename=path.name)
        elif kind == "document":
            builder.add_document_bytes(data, filename=path.name)
        elif data and _is_text(data):
            builder.add_document_bytes(data, "txt", path.name)
        else:
            accepted = ", ".join(format_ for formats in FORMATS.values() for format_ in formats)
            problem = "the format is not supported" if data else "the file is empty"
            raise CommandError(f"{path}: {problem}", f"Accepted: text, {accepted}.")


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
