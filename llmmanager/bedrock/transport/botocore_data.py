"""Reads only the data files of botocore that Bedrock clients need. This makes the first call faster.

This module imports botocore. It is imported with the first session.
"""

from __future__ import annotations

import os
from collections.abc import Container
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_ENDPOINTS = os.path.join(Loader.BUILTIN_DATA_PATH, "endpoints")


def skip_unused_data(loader: Loader) -> None:
    """Make the loader of a session skip large data files that Bedrock clients do not use.

    Files in botocore's search path that belong to the user are still read.
    """
    loader.file_loader = _FileLoader()
    loader.list_available_services = _every_service


class _FileLoader(JSONFileLoader):  # type: ignore[misc]
    """Skips the file with the endpoints of all services (1.2 MB).

    Endpoint and signature of a client are determined by the rule file of its service. botocore uses the large
    file for S3 only.
    """

    def load_file(self, file_path: str) -> Any:
        """Return the content of a data file, given without its suffix, or None."""
        return {"partitions": []} if file_path == _ENDPOINTS else super().load_file(file_path)


class _Everything(Container[str]):
    """A container that contains any name."""

    def __contains__(self, name: object) -> bool:
        return True


def _every_service(type_name: str) -> Container[str]:  # noqa: ARG001
    """Replaces a list for which botocore reads the folders of 400 services, twice.

    A service that does not exist fails later, when its files are missing.
    """
    return _Everything()
