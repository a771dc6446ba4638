"""What the HTTP function adds to boto3: to a warm call, to a cold start; and what it carries.

python -m tests.benchmarks.http_api
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import boto3

from tests.benchmarks.figures import Figure
from tests.benchmarks.http_function import HttpFunction, http_function
from tests.benchmarks.lambda_process import WARM_UP
from tests.benchmarks.table import print_figures

# boto3 as its users have it.
INSTALLED = Path(boto3.__file__).parent.parent
# The catalog of all configured regions, before the first answer.
FIRST_READS = 1


def figures(*, short: bool) -> list[Figure]:
    """Measure; `short` takes fewer calls, to see that it works."""
    with http_function() as function:
        return [
            *warm(function, calls=20 if short else 500),
            *budgeted(function, calls=20 if short else 500),
            cold(function, rounds=1 if short else 11, compiled=True),
            cold(function, rounds=1 if short else 11, compiled=False),
            byte_code(function, rounds=1 if short else 11),
            carried(function),
        ]


def warm(function: HttpFunction, *, calls: int) -> list[Figure]:
    """A handler that has answered before, and boto3's converse() in the same process, in turn."""
    before = function.table_calls()
    rounds = function.run("beside-boto3", str(calls))
    after = function.table_calls()
    own = [ours["seconds"] - bare["seconds"] for ours, bare in rounds]
    return [
        Figure(
            what="warm: time added to a request",
            value=1000 * statistics.median(own),
            unit="ms",
            bar=5,
            stretch=2,
            parts=medians({"handler": [turn[0] for turn in rounds], "boto3": [turn[1] for turn in rounds]}),
            note="the handler's time minus that of boto3's converse() just after it; median",
        ),
        Figure(
            what="warm: DynamoDB requests for an answer",
            value=(sum(after.values()) - sum(before.values()) - FIRST_READS) / (calls + WARM_UP),
            unit="requests",
            bar=2,
            parts=per_answer(before, after, answers=calls + WARM_UP),
            note="one read of the budgets before the call, and one write of the usage after the answer; the "
            "catalog is read once, before the first answer",
        ),
    ]


def budgeted(function: HttpFunction, *, calls: int) -> list[Figure]:
    """A warm handler for a caller with a budget and for one without, in the same process, in turn."""
    before = function.table_calls()
    rounds = function.run("budgeted", str(calls))
    after = function.table_calls()
    writes = after["TransactWriteItems"] - before.get("TransactWriteItems", 0)
    answers = calls + WARM_UP
    return [
        Figure(
            what="warm: time that a budget adds to a request",
            value=1000 * statistics.median(turn[0]["seconds"] - turn[1]["seconds"] for turn in rounds),
            unit="ms",
            parts=medians(
                {"with budget": [turn[0] for turn in rounds], "without": [turn[1] for turn in rounds]}
            ),
            note="one more write and one more read; this DynamoDB answers at once, AWS's within milliseconds",
        ),
        Figure(
            what="warm: DynamoDB writes for a budgeted answer",
            value=writes / answers - 1,
            unit="writes",
            bar=2,
            note="a reservation and its settlement; without a budget, one write",
        ),
    ]


def per_answer(before: Mapping[str, int], after: Mapping[str, int], *, answers: int) -> dict[str, float]:
    """Requests by operation for one answer."""
    return {name: (count - before.get(name, 0)) / answers for name, count in sorted(after.items())}


def cold(function: HttpFunction, *, rounds: int, compiled: bool) -> Figure:
    """From before the import to the first answer, in fresh processes that take turns."""
    folder = INSTALLED if compiled else function.asset
    sides = {
        "handler": lambda: function.run("first", compiled=compiled),
        "boto3": lambda: function.run("first-of-boto3", folder=folder, compiled=compiled),
    }
    for run in sides.values():
        run()
    taken = [{name: run()[0] for name, run in sides.items()} for _ in range(rounds)]
    parts = medians({name: [turn[name] for turn in taken] for name in sides})
    return Figure(
        what=f"cold: import to first answer, {'with' if compiled else 'without'} byte code",
        value=parts["handler ms"] / parts["boto3 ms"],
        unit="x boto3",
        bar=1.5,
        stretch=1.2,
        parts=parts,
        note="boto3 as pip installs it, one client, the same call"
        if compiled
        else "the packages are compiled at each start; boto3 from the same folder",
    )


def byte_code(function: HttpFunction, *, rounds: int) -> Figure:
    """What the byte code in the asset saves of a cold start. Lambda keeps none itself."""
    sides = {"with": True, "without": False}
    for compiled in sides.values():
        function.run("first", compiled=compiled)
    taken = [
        {name: function.run("first", compiled=compiled)[0] for name, compiled in sides.items()}
        for _ in range(rounds)
    ]
    parts = medians({name: [turn[name] for turn in taken] for name in sides})
    return Figure(
        what="cold: with the byte code of the asset",
        value=parts["with ms"] / parts["without ms"],
        unit="x without",
        bar=0.5,
        parts=parts,
        note="import to first answer, from the asset as it is deployed; the interpreter's own start excluded",
    )


def medians(sides: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Milliseconds of each side, of the clock and of the CPU."""
    return {
        f"{name} {unit}": 1000 * statistics.median(turn[key] for turn in turns)
        for name, turns in sides.items()
        for key, unit in (("seconds", "ms"), ("cpuSeconds", "CPU ms"))
    }


def carried(function: HttpFunction) -> Figure:
    """What is uploaded, and what Lambda unpacks."""
    files = [path for path in sorted(function.asset.rglob("*")) if path.is_file()]
    zipped = BytesIO()
    with ZipFile(zipped, "w", ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(function.asset))
    return Figure(
        what="size of the code of every function, zipped",
        value=len(zipped.getvalue()) / 1_000_000,
        unit="MB",
        bar=12,
        stretch=6,
        parts={"unzipped MB": sum(path.stat().st_size for path in files) / 1_000_000, "files": len(files)},
        note="with boto3, reduced to the services that are called, and byte code",
    )


if __name__ == "__main__":
    print_figures(figures(short=False))
