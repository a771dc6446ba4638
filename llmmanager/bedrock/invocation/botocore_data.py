"""botocore's data files, read as far as clients of Bedrock need them: most of a first call's time goes there.

Imports botocore, and is itself imported with the first session only.
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_DATA = Loader.BUILTIN_DATA_PATH
_HOST = "{service}.{region}.{dnsSuffix}"
_FIPS_HOST = "{service}-fips.{region}.{dnsSuffix}"


def read_sparingly(loader: Loader) -> None:
    """Spare a session's loader what takes long to read and tells nothing of Bedrock.

    Files that the user has put in botocore's search path are found and read as ever.
    """
    loader.file_loader = _FileLoader()
    loader.list_available_services = _every_service


class _FileLoader(JSONFileLoader):  # type: ignore[misc]
    """Makes the 1.2 MB of endpoints of all services up from the 7 KB of partitions.

    What the file says of single services is history: their endpoints follow from the rules that each of
    them has in a file of its own. Only the regions and host names of the partitions are still asked for.
    """

    def load_file(self, file_path: str) -> Any:
        """The content of a data file, given without its suffix; None when there is none."""
        if file_path == os.path.join(_DATA, "endpoints"):
            known = super().load_file(os.path.join(_DATA, "partitions"))
            if known is not None:
                return {"partitions": [_partition(row) for row in known["partitions"]]}
        return super().load_file(file_path)


def _partition(row: Mapping[str, Any]) -> dict[str, Any]:
    outputs = row["outputs"]
    plain, dual = outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]
    variants = [{"tags": ["fips"], "dnsSuffix": plain, "hostname": _FIPS_HOST}]
    if outputs["supportsDualStack"]:
        variants += [
            {"tags": ["dualstack", "fips"], "dnsSuffix": dual, "hostname": _FIPS_HOST},
            {"tags": ["dualstack"], "dnsSuffix": dual, "hostname": _HOST},
        ]
    return {
        "partition": row["id"],
        "regions": row["regions"],
        "regionRegex": row["regionRegex"],
        "dnsSuffix": plain,
        "defaults": {
            "hostname": _HOST,
            "protocols": ["https"],
            "signatureVersions": ["v4"],
            "variants": variants,
        },
        "services": {},
    }


class _Everything(Container[str]):
    """What holds any name."""

    def __contains__(self, name: object) -> bool:
        return True


def _every_service(type_name: str) -> Container[str]:  # noqa: ARG001
    """In place of a list for which botocore looks into the folder of each of some 400 services, twice.

    A service that does not exist is found out by its missing files a moment later.
    """
    return _Everything()
