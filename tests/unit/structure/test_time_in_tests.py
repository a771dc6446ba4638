"""Tests neither measure time nor sleep for a fixed time: on a busy machine, both fail without a fault."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time"}
ALLOWED = {
    "waiting.py": "waits for conditions, with a limit that ends a hang",
    "clock.py": "begins at the real time, since the library compares deadlines with it",
    "integration/fake_bedrock/test_load.py": "times that FakeBedrock reports lie between two readings",
    "integration/lambdas/shared/test_idempotency.py": "the time of expiry lies between two readings",
    "integration/lambdas/http_api/test_http_api.py": "the time at which API Gateway received a request",
    "integration/lambdas/streaming_runtime/loopback_api.py": "the Runtime API reports deadlines in real time",
    "unit/lambdas/streaming_runtime/test_runtime_api.py": "the Runtime API reports deadlines in real time",
    "unit/lambdas/shared/test_shared_cooldowns.py": "the time of expiry lies between two readings",
}


def uses_of_time(source: str) -> Iterator[str]:
    """Yield each call in the source that sleeps for a time or reads a clock."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name != "sleep" and name not in CLOCKS:
            continue
        written = ast.unparse(call)
        is_yield = written.endswith("sleep(0)")
        if (name == "sleep" and not is_yield) or (written.startswith("time.") and name in CLOCKS):
            yield f"line {call.lineno}: {written}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("time.sleep(3)", True),
        ("await asyncio.sleep(pause)", True),
        ("started = time.monotonic()", True),
        ("assert time.perf_counter() - started < 1", True),
        ("time.sleep(0)", False),
        ("clock.monotonic()", False),
        ("time.time_ns()", False),
    ],
)
def test_sleeps_and_clocks_are_found(source: str, found: bool) -> None:
    source = f"async def test():\n    {source}"
    assert bool(list(uses_of_time(source))) is found


def test_only_what_is_allowed_measures_time_or_sleeps() -> None:
    files = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("*.py")}
    found = {name: list(uses_of_time(path.read_text())) for name, path in files.items()}
    using = {name: uses for name, uses in found.items() if uses and not name.startswith("benchmarks/")}
    assert {name: uses for name, uses in using.items() if name not in ALLOWED} == {}
    assert ALLOWED.keys() <= using.keys(), "no longer needed"
