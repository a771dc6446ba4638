"""Write an S3 object of any length in constant memory."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from lambdas.shared import clients

PART_BYTES = 8 * 1024 * 1024


class ObjectWriter:
    """Writes bytes to an object. A context manager.

    The object is created or replaced at the end of the block. An exception in the block leaves an existing
    object unchanged. A short object is written in one call, a longer one by a multipart upload.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self._buffer += data
        if len(self._buffer) >= PART_BYTES:
            self._send_part()

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        s3 = clients.s3()
        if kind is not None:
            if self._upload:
                s3.abort_multipart_upload(**self._upload)
        elif self._upload:
            if self._buffer:
                self._send_part()
            s3.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        else:
            s3.put_object(**self._object, Body=bytes(self._buffer))

    def _send_part(self) -> None:
        s3 = clients.s3()
        if not self._upload:
            created = s3.create_multipart_upload(**self._object)
            self._upload = {**self._object, "UploadId": created["UploadId"]}
        number = len(self._parts) + 1
        sent = s3.upload_part(**self._upload, PartNumber=number, Body=bytes(self._buffer))
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._buffer.clear()
