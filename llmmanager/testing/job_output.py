"""The output files of a batch job."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .billing import TokenCount
from .errors import ServiceError
from .job_input import JobRecord
from .job_rules import JobFault
from .shapes import with_nulls


@dataclass(frozen=True)
class ProcessedRecord:
    """A record with its Converse response, or its error."""

    record: JobRecord
    response: dict[str, Any] | None = None
    error: ServiceError | None = None

    @property
    def line(self) -> str:
        """The line of the output file."""
        output: dict[str, Any] = {"recordId": self.record.record_id, "modelInput": self.record.model_input}
        if self.error is not None:
            output["error"] = {"errorCode": self.error.status, "errorMessage": self.error.message}
        else:
            output["modelOutput"] = with_nulls("ConverseResponse", self.response)
        return json.dumps(output, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class JobCounts:
    """The numbers of records of a job."""

    total: int = 0
    processed: int = 0
    success: int = 0
    error: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts with the names of GetModelInvocationJob."""
        return {
            "totalRecordCount": self.total,
            "processedRecordCount": self.processed,
            "successRecordCount": self.success,
            "errorRecordCount": self.error,
        }


def output_files(processed: Sequence[ProcessedRecord], fault: JobFault, *, seed: str) -> dict[str, bytes]:
    """Return the content of each output file by its name, with the errors of `fault`.

    The order of the lines depends on `seed`.
    """
    unknown = [_with_other_id(one, number) for number, one in enumerate(processed[: fault.unknown_ids])]
    written = [*processed, *processed[: fault.duplicate_ids], *unknown]
    random.Random(seed).shuffle(written)
    files: dict[str, list[bytes]] = defaultdict(list)
    for one in written:
        files[f"{one.record.file}.out"].append(f"{one.line}\n".encode())
    if fault.truncated:
        for lines in files.values():
            lines[-1] = lines[-1][: len(lines[-1]) // 2]
    return {name: b"".join(lines) for name, lines in files.items()}


def manifest(counts: JobCounts, billed: TokenCount, fault: JobFault) -> bytes:
    """Return the content of `manifest.json.out`."""
    if fault.zero_counts:
        billed = TokenCount()
    tokens = {"inputTokenCount": billed.input_tokens, "outputTokenCount": billed.output_tokens}
    return json.dumps({**counts.to_dict(), **tokens}).encode()


def _with_other_id(one: ProcessedRecord, number: int) -> ProcessedRecord:
    return replace(one, record=replace(one.record, record_id=f"UNKNOWN{number:04d}"))
