"""The output files of a batch job."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .billing import TokenCount
from .errors import ServiceError
from .job_input import JobRecord
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


def output_files(processed: Iterable[ProcessedRecord]) -> dict[str, bytes]:
    """Return the content of each output file by its name."""
    lines: dict[str, list[str]] = defaultdict(list)
    for one in processed:
        lines[f"{one.record.file}.out"].append(one.line)
    return {file: "".join(f"{line}\n" for line in written).encode() for file, written in lines.items()}


def manifest(counts: JobCounts, billed: TokenCount) -> bytes:
    """Return the content of `manifest.json.out`."""
    tokens = {"inputTokenCount": billed.input_tokens, "outputTokenCount": billed.output_tokens}
    return json.dumps({**counts.to_dict(), **tokens}).encode()
