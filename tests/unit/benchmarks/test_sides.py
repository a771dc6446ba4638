"""Every side of a benchmark has an environment that `make bench` makes from a lock."""

from __future__ import annotations

import ast
import re

import pytest

from local.setup import BENCH_PARTS
from tests.benchmarks.faults import SIDES as UNDER_FAULTS
from tests.benchmarks.quota_contenders import OURS
from tests.benchmarks.quota_contenders import RIVALS as UNDER_A_QUOTA
from tests.benchmarks.report import TITLES
from tests.benchmarks.run import BENCHMARKS
from tests.benchmarks.sides import BOTO3, LLMMANAGER, RIVALS, ROOT, WORKERS, Side

QUOTA_RIVALS = tuple(configurations[0].side for configurations in UNDER_A_QUOTA)
SIDES = (BOTO3, LLMMANAGER, *RIVALS, OURS.side, *QUOTA_RIVALS, *UNDER_FAULTS)


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.module)
def test_a_sides_environment_is_one_that_is_installed_from_a_lock_with_hashes(side: Side) -> None:
    (part,) = [part for part in BENCH_PARTS if part.folder == side.python.parents[1]]

    lock = part.lock.read_text()
    assert "--hash=sha256:" in lock
    assert "--index-url" not in lock


@pytest.mark.parametrize("side", [*RIVALS, *QUOTA_RIVALS, *UNDER_FAULTS[1:]], ids=lambda side: side.module)
def test_what_runs_in_another_librarys_environment_imports_nothing_of_this_project(side: Side) -> None:
    for module in (side.module, "serve"):
        tree = ast.parse((WORKERS / f"{module}.py").read_text())
        imported = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert not {
            name for name in imported if name.split(".")[0] in ("llmmanager", "tests", "infra", "lambdas")
        }


def test_all_sides_have_the_same_boto3() -> None:
    locks = [part.lock.read_text() for part in BENCH_PARTS if "plot" not in part.folder.name]
    assert len({re.search(r"^boto3==(\S+)", lock, re.MULTILINE)[1] for lock in locks}) == 1  # type: ignore[index]


def test_boto3_is_the_one_that_the_functions_carry() -> None:
    pinned = [
        re.search(r"^boto3==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE)[0]  # type: ignore[index]
        for name in ("lambda.in", "bench-library.in")
    ]
    assert pinned[0] == pinned[1]


def test_every_benchmark_has_a_section_of_the_page_and_a_module() -> None:
    assert set(BENCHMARKS) == set(TITLES)
    assert all((ROOT / "tests" / "benchmarks" / f"{name}.py").is_file() for name in BENCHMARKS)


def test_all_configurations_of_a_rival_run_the_same_program() -> None:
    assert all(len({rival.side for rival in configurations}) == 1 for configurations in UNDER_A_QUOTA)
