"""botocore's data files, read as far as clients of Bedrock need them: most of a first call's time goes there.

Imports botocore, and is itself imported with the first session only.
"""

from __future__ import annotations

import os
from collections.abc import Container
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_ENDPOINTS = os.path.join(Loader.BUILTIN_DATA_PATH, "endpoints")


def read_sparingly(loader: Loader) -> None:
    """Spare a session's loader what takes long to read and tells nothing of Bedrock.

    Files that the user has put in botocore's search path are found and read as ever.
    """
    loader.file_loader = _FileLoader()
    loader.list_available_services = _every_service


class _FileLoader(JSONFileLoader):  # type: ignore[misc]
    """Leaves out the 1.2 MB of endpoints of all services.

    Where a client calls and how it signs follows from the rules that its service has in a file of its own;
    the large file is what came before these, and is asked about S3 only.
    """

    def load_file(self, file_path: str) -> Any:
        """The content of a data file, given without its suffix; None when there is none."""
        return {"partitions": []} if file_path == _ENDPOINTS else super().load_file(file_path)


class _Everything(Container[str]):
    """What holds any name."""

    def __contains__(self, name: object) -> bool:
        return True


def _every_service(type_name: str) -> Container[str]:  # noqa: ARG001
    """In place of a list for which botocore looks into the folder of each of some 400 services, twice.

    A service that does not exist is found out by its missing files a moment later.
    """
    return _Everything()
