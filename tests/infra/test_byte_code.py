"""The byte code of the functions is complete, the same on every build, and used without its source."""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import CodeType
from zipfile import ZIP_DEFLATED, ZipFile

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from infra import byte_code, lambda_asset, python_function
from infra.byte_code import compile_modules, find_compiler
from infra.lambda_asset import AssetError, build_asset
from tests.waiting import PATIENCE_SECONDS

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# A Python that can import only its standard library, and writes no byte code.
ISOLATED = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c"]
# Header of a file with byte code: magic number, flags, and hash of the source. The flags say that the file
# has a hash, which Python does not check.
HEADER_BYTES = 16
HASH_IS_NOT_CHECKED = 0b01


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the functions with byte code of this Python."""
    folder = tmp_path_factory.mktemp("compiled")
    build_asset(folder, packages=None)
    before = os.umask(0o077)
    try:
        compile_modules(folder, interpreter=Path(sys.executable))
    finally:
        os.umask(before)
    return folder


def byte_code_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.pyc"))}


def run(code: str, *, folder: Path) -> str:
    prelude = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run(
        [*ISOLATED, prelude + code],
        env={"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_has_byte_code_that_is_used_without_a_check(compiled: Path) -> None:
    found = byte_code_of(compiled)
    modules = [path.relative_to(compiled).as_posix() for path in compiled.rglob("*.py")]
    assert found.keys() == {importlib.util.cache_from_source(module) for module in modules}
    for data in found.values():
        assert data[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(data[4:8], "little") == HASH_IS_NOT_CHECKED


def test_another_build_in_another_folder_has_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a-folder-with-another-name"
    build_asset(folder, packages=None)
    compile_modules(folder, interpreter=Path(sys.executable))
    digests = [
        {name: hashlib.sha256(data).hexdigest() for name, data in byte_code_of(one).items()}
        for one in (folder, compiled)
    ]
    assert digests[0] == digests[1]


def test_the_byte_code_has_the_paths_of_lambda_and_not_those_of_the_build(compiled: Path) -> None:
    for name, data in byte_code_of(compiled).items():
        code: CodeType = marshal.loads(data[HEADER_BYTES:])
        source = importlib.util.source_from_cache(name)
        assert code.co_filename == f"/var/task/{source}"
        assert str(compiled).encode() not in data


def test_every_user_can_read_the_byte_code(compiled: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in compiled.rglob("*.pyc")} == {0o644}


@pytest.mark.parametrize(
    "handler",
    ["lambdas.http_api.handler", "lambdas.streaming_api.handler", "lambdas.api_keys.authorizer"],
)
def test_a_cold_start_compiles_no_module(compiled: Path, handler: str) -> None:
    code = f"""
import importlib
from importlib.machinery import SourceFileLoader

def refuse(self, data, path, **options):
    raise AssertionError(f"compiles {{path}}")

SourceFileLoader.source_to_code = refuse
importlib.import_module({handler!r})
print("imported")
"""
    assert run(code, folder=compiled) == "imported"


def test_python_does_not_read_the_source_of_a_compiled_module(tmp_path: Path) -> None:
    module = tmp_path / "example.py"
    module.write_text("value = 'compiled'\n")
    compile_modules(tmp_path, interpreter=Path(sys.executable))
    module.write_text("value = 'source, with another size and time'\n")
    assert run("import example; print(example.value)", folder=tmp_path) == "compiled"


def test_the_zipped_code_is_small(compiled: Path) -> None:
    content = BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for path in compiled.rglob("*"):
            archive.write(path, path.relative_to(compiled))
    assert len(content.getvalue()) < 12_000_000


def test_a_module_that_cannot_be_compiled_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text("value = =\n")
    with pytest.raises(AssetError, match=r"cannot compile the functions: (.|\n)*example\.py"):
        compile_modules(tmp_path, interpreter=Path(sys.executable))


def test_this_python_compiles_for_its_own_version() -> None:
    assert find_compiler(THIS_PYTHON) == Path(sys.executable)


def test_another_version_is_compiled_by_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python3.99"
    script.write_text("#!/bin/sh\necho 3.99.1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_compiler("3.99") == script
    script.unlink()
    assert find_compiler("3.99") is None


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the only locked package."""
    folder = tmp_path / "packages"
    info = folder / "example-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "example.py").write_text("value = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("example.py,,\n")
    (tmp_path / "lambda.txt").write_text("example==1.0\n")
    monkeypatch.setattr(lambda_asset, "LOCK", tmp_path / "lambda.txt")
    monkeypatch.setattr(lambda_asset, "ROOT", tmp_path)
    monkeypatch.setattr(lambda_asset, "LAMBDA_PACKAGES", folder)
    monkeypatch.setenv(lambda_asset.RUN_HERE, "false")
    return folder


def synthesise(folder: Path) -> tuple[list[str], list[str]]:
    """Synthesise the shared code; return its files and the warnings."""
    app = cdk.App(outdir=str(folder))
    stack = cdk.Stack(app, "Stack")
    function = cdk.aws_lambda.Function(
        stack,
        "Function",
        code=python_function.shared_code(stack),
        handler="example.handler",
        runtime=cdk.aws_lambda.Runtime.PYTHON_3_13,
    )
    assert function
    app.synth()
    (asset,) = folder.glob("asset.*")
    files = [path.relative_to(asset).as_posix() for path in sorted(asset.rglob("*.py*"))]
    warnings = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return files, [str(warning.entry.data) for warning in warnings]


@pytest.mark.usefixtures("packages")
def test_the_deployed_code_has_byte_code_of_lambdas_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_function, "LAMBDA_PYTHON", THIS_PYTHON)
    files, warnings = synthesise(tmp_path / "cdk.out")
    assert files == [importlib.util.cache_from_source("example.py"), "example.py"]
    assert warnings == []


@pytest.mark.usefixtures("packages")
def test_without_lambdas_python_a_warning_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_function, "LAMBDA_PYTHON", "3.99")
    files, (warning,) = synthesise(tmp_path / "cdk.out")
    assert files == ["example.py"]
    assert "Python 3.99 was not found on this machine" in warning
    assert "uv python install 3.99" in warning


@pytest.mark.usefixtures("packages")
def test_functions_that_run_on_this_machine_need_no_byte_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(lambda_asset.RUN_HERE, "true")
    monkeypatch.setattr(lambda_asset, "LOCK", tmp_path / "none.txt")
    (tmp_path / "none.txt").write_text("")
    (tmp_path / "lambdas").mkdir()
    (tmp_path / "lambdas" / "example.py").write_text("")
    monkeypatch.setattr(byte_code, "find_interpreter", None)
    assert synthesise(tmp_path / "cdk.out") == (["lambdas/example.py"], [])
