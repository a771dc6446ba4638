"""Exports of the package and the modules that importing it loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import llmmanager

ROOT = Path(__file__).parents[2]


def loaded_by(statement: str) -> set[str]:
    """Return the names of all modules that `statement` loads in a new interpreter."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_everything_exported_can_be_imported() -> None:
    for name in llmmanager.__all__:
        assert getattr(llmmanager, name).__name__ == name
    assert set(llmmanager.__all__) <= set(dir(llmmanager))


def test_exports_are_sorted_and_distinct() -> None:
    assert llmmanager.__all__ == sorted(set(llmmanager.__all__))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(llmmanager, "MessageQueue")


def test_importing_the_package_loads_neither_boto3_nor_botocore() -> None:
    assert not {"boto3", "botocore"} & loaded_by("import llmmanager")


def test_importing_every_export_loads_neither_boto3_nor_botocore() -> None:
    names = ", ".join(llmmanager.__all__)
    assert not {"boto3", "botocore", "urllib3"} & loaded_by(f"from llmmanager import {names}")


def test_the_library_does_not_import_the_deployment() -> None:
    for path in (ROOT / "llmmanager").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            for name in names:
                top = name.partition(".")[0]
                assert top not in {"lambdas", "infra", "local", "aws_cdk", "aws_lambda_powertools"}, path


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("llmmanager", "lambdas", "infra", "local")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
