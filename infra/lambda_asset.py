"""Build the code asset of the functions from the installed packages, without network or Docker.

The locked packages are pure Python, so the asset runs on any platform and any Python that they support. The
build checks the version of each package against the lock file, and its wheel for compiled code. It leaves out
files that no function imports or reads, because Lambda unpacks the asset at each cold start.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "lambda.txt"

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
# Lambda starts the streaming runtime with this script. Not every checkout keeps its mode.
_EXECUTABLE: Final = Path("lambdas/streaming_wrapper")
# Test doubles and byte code.
_LEFT_OUT: Final = frozenset({"testing", "__pycache__"})
# Of these folders, only these subfolders are included.
_INCLUDED_SUBFOLDERS: Final[Mapping[str, frozenset[str]]] = {
    "botocore/data": SERVICES,
    "aws_lambda_powertools/utilities": frozenset({"idempotency", "jmespath_utils", "typing"}),
}
# Resources of boto3, examples of the documentation, an unused HTTP framework, type stubs, time zones.
_EXCLUDED: Final = (
    "boto3/data/*",
    "boto3/examples/*",
    "botocore/data/*/examples-1.json",
    "aws_lambda_powertools/event_handler/*",
    "*.pyi",
    "dateutil/zoneinfo/*.tar.gz",
)
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_PURE_TAG = re.compile(r"py\d(\.py\d)*-none-any")
# Magic number, deflate, no flags, no time, best compression, unknown operating system.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
# Installers write machine-specific content to these files, which would change the hash of the asset.
_INSTALL_RECORDS: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_*.json")


class AssetError(RuntimeError):
    """The installed packages cannot be used for the asset. The message says what to do."""


def build_asset(target: Path) -> None:
    """Write the code of the functions and their dependencies to an empty or new directory.

    The same inputs give the same files on every machine: without byte code, records of installers and paths,
    and with file modes that do not depend on the machine.

    Raises:
        AssetError: a locked package is missing, has another version or is not pure Python.
    """
    for name, version in locked_distributions():
        _copy_distribution(name, version, target)
    _reduce_service_data(target / "botocore" / "data")
    for source in _SOURCES:
        for path in _source_files(ROOT / source):
            name = path.relative_to(ROOT)
            _copy(path, target / name, executable=name == _EXECUTABLE)


def locked_distributions() -> list[tuple[str, str]]:
    """Return name and version of each package in the lock file."""
    return _LOCKED.findall(LOCK.read_text(encoding="utf-8"))


def _copy_distribution(name: str, version: str, target: Path) -> None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise AssetError(f"{name} {version} is not installed. {_remedy()}") from None
    if distribution.version != version:
        raise AssetError(f"{name} {distribution.version} is installed instead of {version}. {_remedy()}")
    _check_pure(name, distribution)
    if distribution.files is None:
        raise AssetError(f"{name} is installed without a list of its files. {_remedy()}")
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


def _check_pure(name: str, distribution: metadata.Distribution) -> None:
    wheel = distribution.read_text("WHEEL") or ""
    tags = re.findall(r"^Tag: (\S+)$", wheel, re.MULTILINE)
    pure = "Root-Is-Purelib: true" in wheel and all(map(_PURE_TAG.fullmatch, tags))
    if not (pure and any("py3" in tag for tag in tags)):
        raise AssetError(
            f"{name} is not pure Python (wheel tags: {', '.join(tags) or 'none'}) and may not run on Lambda. "
            "Remove it from requirements/lambda.in"
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
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if (
            path.is_file()
            and not hidden
            and not _LEFT_OUT.intersection(inside.parts)
            and path.suffix != ".pyc"
        ):
            yield path


def _copy(source: Path, destination: Path, *, executable: bool = False) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    # Lambda runs the code as another user, so all users need read access regardless of the umask.
    destination.chmod(0o755 if executable else 0o644)


def _remedy() -> str:
    return f"Install the versions in {LOCK.relative_to(ROOT).as_posix()}"
