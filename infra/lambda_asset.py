"""Build the code asset of the functions from installed packages, without network or Docker.

`make setup` installs the locked packages for Lambda's Python and platform into a folder of their own. The
build checks version and platform of each package. It leaves out files that no function imports or reads,
because Lambda unpacks the asset at each cold start.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lambdas.contract import STREAMING_WRAPPER

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "lambda.txt"
LAMBDA_PYTHON: Final = "3.13"
# `make setup` installs the packages for Lambda there.
LAMBDA_PACKAGES: Final = ROOT / ".venv-lambda" / "packages"
# The variable that selects the packages of this Python instead, for a stack on an emulator.
RUN_HERE: Final = "LLMMANAGER_FUNCTIONS_RUN_HERE"

# The services that the functions call. botocore has data of over 400 services (28 MB). Credentials of a role
# need sts.
SERVICES: Final = frozenset(
    {
        "bedrock",
        "bedrock-runtime",
        "dynamodb",
        "events",
        "s3",
        "service-quotas",
        "sqs",
        "stepfunctions",
        "sts",
    }
)

_SOURCES: Final = ("lambdas", "llmmanager")
# Not every checkout keeps the mode of the script.
_EXECUTABLE: Final = Path(STREAMING_WRAPPER)
UNUSED_SOURCES: Final = (
    "llmmanager/__main__.py",
    "llmmanager/cli/*",
    "llmmanager/testing/*",
    "llmmanager/batch_run/*",
    "llmmanager/bedrock/async_calls/*",
    "llmmanager/bedrock/models/converse_*types.py",
    "llmmanager/bedrock/models/file_formats.py",
    "llmmanager/bedrock/tokens/file_cost.py",
    "llmmanager/conversation.py",
    "llmmanager/message_builder*.py",
)
"""Modules that no function uses: the command line and its batches, test doubles, async calls, types for
type checkers, and helpers for writing messages. The library imports them when a caller needs them."""
# Of these folders, only these subfolders are included.
_INCLUDED_SUBFOLDERS: Final[Mapping[str, frozenset[str]]] = {
    "botocore/data": SERVICES,
    "aws_lambda_powertools/utilities": frozenset({"idempotency", "jmespath_utils", "typing"}),
}
# Scripts, resources of boto3, examples of the documentation, an unused HTTP framework,
# type stubs, and time zones.
_EXCLUDED: Final = (
    "bin/*",
    "boto3/data/*",
    "boto3/examples/*",
    "botocore/data/*/examples-1.json",
    "aws_lambda_powertools/event_handler/*",
    "*.pyi",
    "dateutil/zoneinfo/*.tar.gz",
)
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# Pure Python, or compiled for Lambda.
_CPYTHON: Final = f"cp{LAMBDA_PYTHON.replace('.', '')}"
_LAMBDA_TAG = re.compile(rf"py3-none-any|(?:{_CPYTHON}-{_CPYTHON}|cp3\d+-abi3)-manylinux\w+_aarch64")
# Magic number, deflate, no flags, no time, best compression, unknown operating system.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
# Installers write machine-specific content to these files, which would change the hash of the asset.
_INSTALL_RECORDS: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_*.json")
_REMEDY: Final = "Run `make setup`, which installs the versions in requirements/lambda.txt"


class AssetError(RuntimeError):
    """The installed packages cannot be used for the asset. The message says what to do."""


def build_asset(target: Path, *, packages: Path | None = LAMBDA_PACKAGES) -> None:
    """Write the code of the functions and their dependencies to an empty or new directory.

    The same inputs give the same files on every machine: without byte code, records of installers and paths,
    and with file modes that do not depend on the machine.

    Args:
        packages: the folder with the packages for Lambda. None for the packages of this Python, for functions
            that run on this machine.

    Raises:
        AssetError: a locked package is missing, or has another version or platform.
    """
    for name, version in locked_distributions():
        distribution = _find_distribution(name, version, packages)
        if packages is not None:
            _check_platform(name, distribution)
        _copy_distribution(name, distribution, target)
    _reduce_service_data(target / "botocore" / "data")
    for source in _SOURCES:
        for path in _source_files(ROOT / source):
            name = path.relative_to(ROOT)
            _copy(path, target / name, executable=name == _EXECUTABLE)


def selected_packages() -> Path | None:
    """Return the folder with the packages for Lambda, or None if the functions run on this machine."""
    return None if os.environ.get(RUN_HERE) == "true" else LAMBDA_PACKAGES


def locked_distributions() -> list[tuple[str, str]]:
    """Return name and version of each package in the lock file."""
    return _LOCKED.findall(LOCK.read_text(encoding="utf-8"))


def _find_distribution(name: str, version: str, packages: Path | None) -> metadata.Distribution:
    path = sys.path if packages is None else [str(packages)]
    distribution = next(iter(metadata.distributions(name=name, path=path)), None)
    if distribution is None:
        raise AssetError(f"{name} {version} is not installed{_where(packages)}. {_REMEDY}")
    if distribution.version != version:
        raise AssetError(
            f"{name} {distribution.version} is installed{_where(packages)} instead of {version}. {_REMEDY}"
        )
    return distribution


def _copy_distribution(name: str, distribution: metadata.Distribution, target: Path) -> None:
    if distribution.files is None:
        raise AssetError(f"{name} is installed without a list of its files. {_REMEDY}")
    for file in distribution.files:
        if _belongs_in_asset(PurePosixPath(file)):
            _copy(Path(str(distribution.locate_file(file))), target / file)


def _reduce_service_data(data: Path) -> None:
    """Reduce botocore's data to the used services without documentation. Every cold start parses it."""
    prefixes = set()
    for file in data.rglob("service-2.json.gz"):
        description = _without_documentation(json.loads(gzip.decompress(file.read_bytes())))
        prefixes.add(description["metadata"]["endpointPrefix"])
        file.write_bytes(_gzip(_compact(description)))
    endpoints = data / "endpoints.json"
    if endpoints.is_file():
        known = json.loads(endpoints.read_bytes())
        for partition in known["partitions"]:
            services = partition["services"]
            partition["services"] = {name: services[name] for name in services if name in prefixes}
        endpoints.write_bytes(_compact(known))


def _without_documentation(value: Any) -> Any:
    """Return a service description with empty documentation. botocore requires some of these keys."""
    if isinstance(value, list):
        return [_without_documentation(item) for item in value]
    if not isinstance(value, dict):
        return value
    # An object is the description of a member named "documentation".
    return {
        key: "" if key == "documentation" and isinstance(item, str) else _without_documentation(item)
        for key, item in value.items()
    }


def _gzip(data: bytes) -> bytes:
    """Compress to the gzip format, with the same bytes on every version of Python.

    The header of the module `gzip` includes the time and differs between versions.
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compressor.compress(data) + compressor.flush()
    return _GZIP_HEADER + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _check_platform(name: str, distribution: metadata.Distribution) -> None:
    tags = re.findall(r"^Tag: (\S+)$", distribution.read_text("WHEEL") or "", re.MULTILINE)
    if not any(map(_LAMBDA_TAG.fullmatch, tags)):
        raise AssetError(
            f"{name} does not run on Lambda, on Python {LAMBDA_PYTHON} for arm64 Linux (wheel tags: "
            f"{', '.join(tags) or 'none'}). {_REMEDY}"
        )


def _belongs_in_asset(file: PurePosixPath) -> bool:
    """Whether a file of a package is needed at run time."""
    if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".pyc":
        return False
    if file.parts[0].endswith(".dist-info"):
        return not any(fnmatch(file.name, pattern) for pattern in _INSTALL_RECORDS)
    if any(fnmatch(file.as_posix(), pattern) for pattern in _EXCLUDED):
        return False
    included = _INCLUDED_SUBFOLDERS.get("/".join(file.parts[:2]))
    return included is None or len(file.parts) == 3 or file.parts[2] in included


def _source_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix != ".pyc" and not is_unused(path.relative_to(ROOT)):
            yield path


def is_unused(source: Path) -> bool:
    """Whether no function uses a module, given by its path in the repository."""
    return any(fnmatch(source.as_posix(), pattern) for pattern in UNUSED_SOURCES)


def _copy(source: Path, destination: Path, *, executable: bool = False) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    # Lambda runs the code as another user, so all users need read access regardless of the umask.
    destination.chmod(0o755 if executable else 0o644)


def _where(packages: Path | None) -> str:
    return "" if packages is None else f" in {packages}"
