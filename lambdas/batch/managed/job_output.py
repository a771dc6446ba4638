"""Read the output of a managed batch job: a line for each record, in any order.

{"recordId": …, "modelInput": {…}, "modelOutput": {a Converse response}}
{"recordId": …, "modelInput": {…}, "error": {"errorCode": …, "errorMessage": …}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdas.shared import clients
from llmmanager.bedrock.models.answer_content import without_blank_text
from llmmanager.bedrock.models.json_codec import decode_bytes

MAX_LINE_BYTES: Final = 64_000_000
"""A longer line is skipped. It is never in memory as a whole."""
_CHUNK_BYTES: Final = 1024 * 1024
# Members with JSON of the model or of the caller, in which null has a meaning.
_FREE_JSON: Final = frozenset({"toolUse", "json", "additionalModelResponseFields"})


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A line of the output.

    Attributes:
        own_id: the id of the record in the job.
        answer: the Converse response; None for a record that failed.
        error_code: why the record failed; empty for an answer.
        messages: the messages of the request, if the line has them.
    """

    own_id: str
    answer: dict[str, Any] | None
    error_code: str
    messages: Any


def read_lines(bucket: str, key: str, *, offset: int) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of an object from an offset, each with the offset of the next line.

    The last line can be incomplete. A line that is too long is yielded as an empty one.

    Raises:
        BotoCoreError, ClientError: the object cannot be read to its end.
    """
    size = clients.s3().head_object(Bucket=bucket, Key=key)["ContentLength"]
    if offset >= size:
        return
    body = clients.s3().get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-")["Body"]
    try:
        yield from _split(body.iter_chunks(_CHUNK_BYTES), offset)
    finally:
        body.close()


def parse_line(line: bytes) -> OutputRecord | None:
    """Return a line of the output, or None if it is incomplete or has another form."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("recordId"), str):
        return None
    error, answer = data.get("error"), data.get("modelOutput")
    messages = data["modelInput"].get("messages") if isinstance(data.get("modelInput"), dict) else None
    if error:
        code = error.get("errorCode") if isinstance(error, dict) else None
        return OutputRecord(data["recordId"], None, str(code or "Error"), messages)
    answer = _answer(answer)
    return OutputRecord(data["recordId"], answer, "", messages) if answer is not None else None


def _answer(value: Any) -> dict[str, Any] | None:
    """Return an answer in the form of Converse, or None if it is not one."""
    answer = _without_nulls(value)
    output = answer.get("output") if isinstance(answer, dict) else None
    message = output.get("message") if isinstance(output, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return None
    message["content"] = without_blank_text(message["content"])
    decoded: dict[str, Any] = decode_bytes(answer, other_text="keep")
    return decoded


def _without_nulls(value: Any) -> Any:
    """Return the value without the members that are null, which Converse leaves out."""
    if isinstance(value, Mapping):
        return {
            name: member if name in _FREE_JSON else _without_nulls(member)
            for name, member in value.items()
            if member is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _split(chunks: Iterable[bytes], offset: int) -> Iterator[tuple[bytes, int]]:
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            size += end - start
            pieces.append(chunk[start:end])
            offset += size + 1
            yield (b"".join(pieces) if size <= MAX_LINE_BYTES else b""), offset
            pieces, size, start = [], 0, end + 1
        size += len(chunk) - start
        pieces = [*pieces, chunk[start:]] if size <= MAX_LINE_BYTES else []
    if size:
        yield b"".join(pieces), offset + size
