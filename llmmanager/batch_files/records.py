"""Read and validate the lines of batch files as records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmmanager.batch_files.id_set import IdSet
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.json_format.codec import (
    MAX_ID_LENGTH,
    InvalidRequest,
    decode_record,
    encode_record,
    is_encoded,
    record_id,
)
from llmmanager.json_format.json_text import InvalidJson, dump_line, parse
from llmmanager.json_format.text_encoding import without_byte_order_mark

# Bedrock's limit for files inside a request. Larger files must be in S3 (`s3Location`).
MAX_LINE_BYTES = 25_000_000
_MAX_TEXT = 500

FieldCheck = Callable[[bytes, Mapping[str, Any], BedrockConverseRequest], Sequence[str]]
"""Returns the problems of a record that is valid otherwise, given its line, its fields and its request."""


@dataclass(frozen=True)
class Record:
    """A line with a valid request.

    Attributes:
        line: the number of the line, from 1.
        text: the line, if it has the form of the lines of a shard.
    """

    line: int
    request: BedrockConverseRequest
    text: bytes | None = None

    def to_line(self) -> bytes:
        """Return the record as a line of a shard."""
        return dump_line(encode_record(self.request)) if self.text is None else self.text + b"\n"


@dataclass(frozen=True)
class Rejected:
    """An invalid line with its problems.

    Attributes:
        line: the number of the line, from 1.
        record_id: the id of the record, if it can be read.
        file: the URI of the file, if the batch has several files.
        text: the start of the line; None if it is too long to be read.
    """

    line: int
    record_id: str | None
    reasons: tuple[str, ...]
    file: str | None = None
    text: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the line in `rejected.jsonl`."""
        id_ = {"recordId": self.record_id} if self.record_id is not None else {}
        file = {"file": self.file} if self.file is not None else {}
        text = {"text": self.text} if self.text is not None else {}
        return {**file, "line": self.line, **id_, "reasons": list(self.reasons), **text}


@dataclass(frozen=True)
class InputFile:
    """A file of records.

    Attributes:
        chunks: the content, in chunks of any size.
        name: the URI, for rejected lines; None if it is the only file.
        id_prefix: start of the default ids of records.
        model_ids: the models that may answer the records.
    """

    chunks: Iterable[bytes]
    name: str | None = None
    id_prefix: str = ""
    model_ids: tuple[str, ...] = ()


def read_records(
    chunks: Iterable[bytes],
    *,
    check: FieldCheck | None,
    max_line_bytes: int = MAX_LINE_BYTES,
    model_ids: tuple[str, ...] = (),
) -> Iterator[Record | Rejected]:
    """Return what `read_files` returns for one file."""
    return read_files([InputFile(chunks, model_ids=model_ids)], check=check, max_line_bytes=max_line_bytes)


def read_files(
    files: Iterable[InputFile], *, check: FieldCheck | None, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Record | Rejected]:
    """Yield every line of JSON Lines files that is not blank, as a record or rejected.

    The default id of a record is derived from its line. A repeated id is rejected. One line and an `IdSet`
    are in memory.

    Args:
        check: a further check of each valid record; None for none.
        max_line_bytes: a longer line is rejected, and never in memory as a whole.
    """
    seen = IdSet()
    for file in files:
        for number, line in enumerate(split_lines(file.chunks, max_bytes=max_line_bytes), start=1):
            if line is None:
                yield Rejected(number, None, (f"record: must be at most {max_line_bytes} bytes",), file.name)
            elif line.strip():
                entry = _read(number, line, seen, file, check=check)
                if isinstance(entry, Rejected):
                    entry = replace(entry, file=file.name, text=_start_of(line))
                yield entry


def split_lines(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes | None]:
    """Yield the lines of a text, without line ends (LF or CRLF) and without leading byte order marks.

    A file that was concatenated from others can have a byte order mark at the start of any line.

    Args:
        chunks: the text, in chunks of any size.
        max_bytes: for a longer line, None is yielded.
    """
    pieces: list[bytes] = []
    size = 0

    def line() -> bytes | None:
        return without_byte_order_mark(b"".join(pieces).removesuffix(b"\r")) if size <= max_bytes else None

    for chunk in chunks:
        start = 0
        while True:
            end = chunk.find(b"\n", start)
            piece = chunk[start:] if end < 0 else chunk[start:end]
            size += len(piece)
            if size <= max_bytes:
                pieces.append(piece)
            else:
                pieces.clear()
            if end < 0:
                break
            yield line()
            pieces, size = [], 0
            start = end + 1
    if size:
        yield line()


def _read(
    number: int, line: bytes, seen: IdSet, file: InputFile, *, check: FieldCheck | None
) -> Record | Rejected:
    data = None
    try:
        data = parse(line)
        default_id = f"{file.id_prefix}line-{number}"
        request = decode_record(data, default_id=default_id, model_ids=file.model_ids)
        if check and (problems := check(line, data.get("modelInput", data), request)):
            raise InvalidRequest(problems)
    except InvalidJson as error:
        return Rejected(number, None, (f"record: {error}",))
    except InvalidRequest as error:
        return Rejected(number, record_id(data), tuple(error.reasons))
    if len(str(request.request_id)) > MAX_ID_LENGTH:
        reason = "recordId: is required, because the name of the file is too long for a default id"
        return Rejected(number, None, (reason,))
    if not seen.add(str(request.request_id)):
        reason = f"recordId: {request.request_id!r} is also the id of an earlier line"
        return Rejected(number, request.request_id, (reason,))
    return Record(number, request, line.strip() if is_encoded(data) else None)


def _start_of(line: bytes) -> str:
    return line[: 4 * _MAX_TEXT].decode(errors="replace")[:_MAX_TEXT]
