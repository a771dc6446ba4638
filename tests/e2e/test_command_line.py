"""The commands for a deployed stack, which they find by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, Fault
from local.deployed_stack import STACK_NAME, Stack
from local.processes import DUMMY_CREDENTIALS, REGION
from tests.command_line import Ended, run
from tests.docs.console_page import PAGE, normalized, recorded
from tests.waiting import wait_until, wait_until_quiet

pytestmark = pytest.mark.e2e

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.fixture
def settings(stack: Stack) -> dict[str, str]:
    """The variables with which a command calls the stack."""
    return {
        **DUMMY_CREDENTIALS,
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_REGION": REGION,
        "LLMMANAGER_STACK": STACK_NAME,
        **({"AWS_CA_BUNDLE": str(stack.certificate)} if stack.certificate else {}),
    }


@pytest.fixture
def command(settings: dict[str, str], tmp_path: Path) -> Callable[..., Ended]:
    """Return a function that runs a command for the stack."""

    def start(*arguments: str) -> Ended:
        return run(*arguments, cwd=tmp_path, settings=settings)

    return start


def parsed(ended: Ended) -> Any:
    """Return the JSON that a successful command has printed."""
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def write(path: Path, count: int) -> None:
    records = [{"recordId": f"q{number}", "messages": f"Question {number}?"} for number in range(count)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_batch_is_submitted_watched_listed_and_fetched(
    command: Callable[..., Ended], bedrock: FakeBedrock, tmp_path: Path
) -> None:
    write(tmp_path / "questions.jsonl", 10)

    checks = ("--response-validation", '{"minLength": 1}', "--max-failed-share", "0.5")
    started = parsed(command("batch", "submit", "questions.jsonl", "--in-input-order", *checks, "--json"))
    batch_id = started["batchId"]
    watched = command("batch", "watch", batch_id)
    listed = command("batch", "list")
    fetched = parsed(command("batch", "fetch", batch_id, "-o", "out", "--json"))

    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert watched.status == 0, watched.err
    assert watched.out.startswith(f"{batch_id} succeeded: 10 answered")
    assert batch_id in listed.out
    assert {Path(file).name for file in fetched["files"]} == {
        "results.jsonl",
        "failed.jsonl",
        "rejected.jsonl",
        "summary.json",
        "report.html",
    }
    assert [result["recordId"] for result in results] == [f"q{number}" for number in range(10)]


def test_a_dry_run_prints_the_estimate_of_each_lane_and_calls_no_model(
    command: Callable[..., Ended], bedrock: FakeBedrock, tmp_path: Path
) -> None:
    write(tmp_path / "questions.jsonl", 20)

    ended = command("batch", "submit", "questions.jsonl", "--dry-run", "--output-tokens", "100")

    assert ended.status == 0, ended.err
    first, *lines = ended.out.splitlines()
    assert first == "20 records, 0 rejected"
    assert [line.split()[0] for line in lines[:4]] == ["lane", "onDemand", "flex", "managed"]
    assert lines[-1].startswith("20 records on demand: about 0.0")
    assert not bedrock.calls


def test_a_batch_is_stopped_reported_and_resumed(
    command: Callable[..., Ended], bedrock: FakeBedrock, tmp_path: Path
) -> None:
    write(tmp_path / "questions.jsonl", 20)
    # The batch takes longer than the command that stops it needs to start.
    bedrock.set_latency(seconds=6, operation="Converse")
    batch_id = parsed(command("batch", "submit", "questions.jsonl", "--json"))["batchId"]
    wait_until(lambda: bedrock.calls, "a call")

    stopped = command("batch", "stop", batch_id)
    bedrock.set_latency(seconds=0, operation="Converse")
    watched = command("batch", "watch", batch_id)
    # `watch` waits for the files for 30 s, and a busy machine can take longer.
    wait_until(lambda: command("batch", "fetch", batch_id, "-o", "stopped").status == 0, "files", every=1)
    wait_until_quiet(bedrock)
    bedrock.reset()
    resumed = command("batch", "resume", batch_id)
    again = command("batch", "watch", batch_id, "--json")

    assert (stopped.status, stopped.out) == (0, f"{batch_id} is stopped\n")
    assert watched.status == 4
    assert "Ended early" in (tmp_path / "stopped" / "report.html").read_text()
    assert resumed.status == 0, resumed.err
    assert parsed(again)["summary"]["answered"] == 20


def test_keys_and_budgets_are_managed_and_usage_is_shown(command: Callable[..., Ended]) -> None:
    created = parsed(command("keys", "create", "--owner", "ada", "--team", "cli", "--json"))
    listed = command("keys", "list", "--team", "cli")
    revoked = command("keys", "revoke", created["keyId"])
    budget = command("budgets", "set", "team", "cli/a b", "--daily", "5")
    budgets = parsed(command("budgets", "list", "--json"))
    table = command("budgets", "list")
    deleted = command("budgets", "delete", "team", "cli/a b")
    usage = command("usage", "--group-by", "team")

    assert created["key"].startswith("sk-")
    assert created["keyId"] in listed.out
    assert created["key"] not in listed.out
    assert revoked.out == f"{created['keyId']} is revoked\n"
    assert budget.out.startswith("day: $5"), budget.err
    assert [found["name"] for found in budgets if found["name"].startswith("cli")] == ["cli/a b"]
    assert table.out.splitlines()[-1].split()[-3:] == ["$5.00", "$0", "$5.00"]
    assert deleted.status == 0
    assert usage.out.splitlines()[0].split() == ["team", "requests", "failures", "input", "output", "USD"]
    assert usage.out.splitlines()[-1].startswith("total")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("batch", "list", "--stack", "Missing"), 3, "the stack Missing does not exist"),
        (("batch", "watch", "missing"), 2, "batch missing"),
        (("batch", "submit", "missing.jsonl"), 2, "missing.jsonl: No such file"),
        (("budgets", "set", "team", "x"), 2, "--daily or --monthly is required"),
    ],
)
def test_an_error_names_the_cause(
    command: Callable[..., Ended], arguments: tuple[str, ...], status: int, message: str
) -> None:
    ended = command(*arguments)

    assert (ended.status, ended.out) == (status, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) <= 2


def test_the_recordings_of_the_page_are_what_the_commands_print(
    settings: dict[str, str], command: Callable[..., Ended], bedrock: FakeBedrock, tmp_path: Path
) -> None:
    """With RECORD=1 in the environment, the page is updated first."""
    # The batch that the page stops must not end before.
    bedrock.add_fault(Fault(model=CLAUDE, error="ThrottlingException"))
    page = PAGE.read_text("utf-8")
    again = recorded(page, tmp_path, settings, where="stack")
    if os.environ.get("RECORD"):
        PAGE.write_text(again, "utf-8")
        page = again
    running = parsed(command("batch", "list", "--limit", "1", "--json"))[0]["batchId"]
    parsed(command("batch", "stop", running, "--json"))
    # Its worker calls until it notices the stop, which is not to happen during the next test.
    wait_until_quiet(bedrock)
    assert normalized(again) == normalized(page)
