"""The input file of a batch on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmmanager.batch_files.records import Record, Rejected, read_records
from llmmanager.batch_files.shared_prefixes import SharedPrefixes, prompt_of
from llmmanager.json_format.text_encoding import SIGNATURE_BYTES, unsupported_format

_CHUNK_BYTES = 1 << 20


class InvalidInputFile(Exception):
    """The input cannot be read as a batch; the message has the reason."""


@dataclass(frozen=True)
class BatchInputFile:
    """A JSON Lines file of records. It is read several times, a line at a time.

    Attributes:
        model_ids: the models that may answer. A record that exceeds the limits of all of them is rejected.
        cached: whether records with the same long prompt get cache points.
    """

    path: Path
    model_ids: tuple[str, ...] = ()
    cached: bool = False

    def check(self) -> InputCheck:
        """Return the number of records, the invalid lines, and a digest of the content.

        Raises:
            InvalidInputFile: the file is compressed or not in UTF-8, has no valid record, or is a pipe or
                device, which can be read only once.
            OSError: the file cannot be read.
        """
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):
            raise InvalidInputFile(f"{self.path}: must be a file on a disk, because it is read several times")
        digest = hashlib.sha256()
        found = InputCheck(shared=SharedPrefixes(self.model_ids[0]) if self.cached else None)
        for entry in read_records(self._chunks(digest), check=None, model_ids=self.model_ids):
            if isinstance(entry, Rejected):
                found.rejected.append(entry)
            else:
                found.records += 1
                if found.shared is not None:
                    found.shared.add(prompt_of(entry.request))
        if not found.records:
            problem = "the file has no records"
            if found.rejected:
                first = found.rejected[0]
                problem = f"no line is a valid record. Line {first.line}: {first.reasons[0]}"
            raise InvalidInputFile(f"{self.path}: {problem}")
        found.digest = digest.hexdigest()
        return found

    def records(self) -> Iterator[Record]:
        """Yield the valid records. The errors are those of `entries`."""
        return (entry for entry in self.entries() if isinstance(entry, Record))

    def entries(self) -> Iterator[Record | Rejected]:
        """Yield every line that is not blank, as a record or rejected.

        Raises:
            InvalidInputFile: the file is compressed or not in UTF-8.
            OSError: the file cannot be read.
        """
        return read_records(self._chunks(), check=None, model_ids=self.model_ids)

    def _chunks(self, digest: hashlib._Hash | None = None) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            first = file.read(SIGNATURE_BYTES)
            if found := unsupported_format(first):
                raise InvalidInputFile(f"{self.path}: is {found}; must be UTF-8 text that is not compressed")
            chunk = first
            while chunk:
                if digest is not None:
                    digest.update(chunk)
                yield chunk
                chunk = file.read(_CHUNK_BYTES)


@dataclass
class InputCheck:
    """What a check of an input file has found.

    Attributes:
        records: number of valid records.
        rejected: the invalid lines.
        digest: identifies the content of the file.
        shared: the prompts that several records have; None if they get no cache points.
    """

    records: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    digest: str = ""
    shared: SharedPrefixes | None = None
