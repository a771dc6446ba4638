"""`llmmanager batch run` as a process: interrupted, killed, limited by quota and deadline."""

from __future__ import annotations

import html
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, Fault
from tests.command_line import ERASE_LINE, run, run_in_terminal, shown, start
from tests.waiting import PATIENCE_SECONDS, wait_until

MODEL = "amazon.nova-lite-v1:0"


def records(count: int) -> list[dict[str, Any]]:
    return [
        {
            "recordId": f"record-{number}",
            "modelInput": {"messages": f"What is {number} squared?", "inferenceConfig": {"maxTokens": 20}},
        }
        for number in range(count)
    ]


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(folder: Path) -> int:
    """Return the number of results in the journal."""
    journal = folder / "journal.jsonl"
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "questions.jsonl", records(20))


def test_every_record_is_in_one_file_in_the_format_of_the_deployed_batch(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    write(file, [*records(20), {"messages": 5}])
    fake_bedrock.add_fault(Fault(error="ValidationException", operation="Converse", count=1))

    ended = run("batch", "run", "questions.jsonl", "--in-input-order", cwd=file.parent, settings=settings)

    folder = file.parent / "questions-results"
    results, failed, rejected = (read(folder / f"{name}.jsonl") for name in ("results", "failed", "rejected"))
    summary = json.loads((folder / "summary.json").read_text())
    lost = failed[0]["recordId"]
    assert ended.status == 1
    assert [line["recordId"] for line in results] == [
        line["recordId"] for line in records(20) if line["recordId"] != lost
    ]
    assert failed[0]["modelInput"]["inferenceConfig"] == {"maxTokens": 20}
    assert failed[0]["error"]["code"] == "ValidationException"
    assert [line["line"] for line in rejected] == [21]
    assert (summary["answered"], summary["failed"], summary["rejected"]) == (19, 1, 1)
    assert "19 of 21 records answered" in ended.out
    assert f"report: {folder.name}/report.html" in ended.out
    assert b"<html" in (folder / "report.html").read_bytes()


@pytest.mark.parametrize(("option", "written"), [((), 1300), (("--prompt-cache", "off"), 0)])
def test_records_with_the_same_long_prompt_use_the_cache(
    settings: dict[str, str], fake_bedrock: FakeBedrock, tmp_path: Path, option: tuple[str, ...], written: int
) -> None:
    rules = [{"text": "The rules are as follows. " * 200}]
    lines = records(6)
    for line in lines:
        line["modelInput"]["system"] = rules
    file = write(tmp_path / "many.jsonl", lines)
    fake_bedrock.add_fault(Fault(error="ValidationException", operation="Converse", count=1))

    ended = run("batch", "run", str(file), *option, settings=settings)

    summary = json.loads((tmp_path / "many-results" / "summary.json").read_text("utf-8"))
    assert summary["cache"]["writeTokens"] == written
    assert summary["cache"]["readTokens"] == 4 * written
    assert ("less than without the prompt cache" in ended.out) == bool(written)
    (failed,) = read(tmp_path / "many-results" / "failed.jsonl")
    assert failed["modelInput"]["system"] == rules
    assert "promptCache" not in failed["modelInput"]


def test_a_batch_killed_twice_answers_each_record_once(
    settings: dict[str, str], fake_bedrock: FakeBedrock, tmp_path: Path
) -> None:
    file = write(tmp_path / "many.jsonl", records(160))
    fake_bedrock.set_window(0.5)
    fake_bedrock.set_quota(requests_per_minute=60, model=MODEL)
    folder = tmp_path / "many-results"
    command = ("batch", "run", str(file), "--concurrency", "8")
    settings = {**settings, **fake_bedrock.environment}

    for least in (30, 90):
        process = start(*command, settings=settings)
        wait_until(lambda least=least: done(folder) >= least)
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
    ended = run(*command, "--json", settings=settings)

    summary = json.loads(ended.out)
    times = Counter(line["recordId"] for line in read(folder / "results.jsonl"))
    answers = sum(call.status == 200 and call.operation == "Converse" for call in fake_bedrock.calls)
    assert ended.status == 0, ended.err
    assert times == Counter(line["recordId"] for line in records(160))
    assert summary["answered"] == 160
    # Only calls that were running when the process was killed are repeated.
    assert 160 <= answers <= 160 + 2 * 8


def test_ctrl_c_keeps_the_results_and_the_command_continues(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    folder = file.parent / "out"
    command = ("batch", "run", str(file), "-o", str(folder), "--concurrency", "1")
    # The records that are left take far longer than the signal needs.
    fake_bedrock.set_latency(seconds=0.5, operation="Converse")
    process = start(*command, settings=settings)
    wait_until(lambda: done(folder) >= 3)

    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=PATIENCE_SECONDS)
    kept = done(folder)
    fake_bedrock.set_latency(seconds=0, operation="Converse")
    ended = run(*command, settings=settings)

    assert process.returncode == 130
    assert f"interrupted: {kept} of 20 records are done" in printed
    assert f"continuing: {kept} of 20 records are done" in ended.err
    assert ended.status == 0
    assert len(read(folder / "results.jsonl")) == 20
    assert sum(call.operation == "Converse" for call in fake_bedrock.calls) == 20


def test_a_finished_batch_is_not_run_again_except_for_failed_records(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", operation="Converse", count=2))
    command = ("batch", "run", str(file), "--json")

    first, again, repeated = (
        run(*command, *more, settings=settings) for more in ((), (), ("--retry-failed",))
    )

    assert [ended.status for ended in (first, again, repeated)] == [1, 1, 0]
    assert json.loads(first.out) == json.loads(again.out)
    assert json.loads(repeated.out)["answered"] == 20
    assert sum(call.operation == "Converse" for call in fake_bedrock.calls) == 22


def test_a_deadline_ends_the_batch_and_a_later_run_continues(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.set_latency(seconds=PATIENCE_SECONDS, operation="Converse")
    command = ("batch", "run", str(file), "--json")

    stopped = run(*command, "--deadline", "1", settings=settings)
    fake_bedrock.set_latency(seconds=0, operation="Converse")
    ended = run(*command, settings=settings)

    summary = json.loads(stopped.out)
    assert stopped.status == 4
    assert (summary["status"], summary["failed"]) == ("stopped", 20)
    assert "deadline" in summary["reason"]
    assert ended.status == 0
    assert json.loads(ended.out)["answered"] == 20


def test_records_run_in_flex_or_on_demand_if_flex_denies_them(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", service_tier="flex", count=1))

    ended = run("batch", "run", str(file), "-m", "Nova Pro", "--lane", "flex", "--json", settings=settings)

    by_lane = json.loads(ended.out)["byLane"]
    assert ended.status == 0, ended.err
    assert {lane: row["answered"] for lane, row in by_lane.items()} == {"flex": 19, "onDemand": 1}
    assert by_lane["flex"]["savedUsd"] == pytest.approx(by_lane["flex"]["estimatedCostUsd"])


def test_records_that_flex_refuses_are_answered_on_demand_before_the_deadline(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", service_tier="flex"))
    command = ("batch", "run", str(file), "-m", "Nova Pro", "--deadline", "16", "--json")

    ended = run(*command, "--lane", "flex", settings=settings)

    summary = json.loads(ended.out)
    assert ended.status == 0, ended.err
    assert (summary["answered"], summary["byLane"].keys()) == (20, {"onDemand"})
    assert {call.service_tier for call in fake_bedrock.calls if call.operation == "Converse"} == {"flex", ""}


def test_a_managed_batch_needs_the_stack(settings: dict[str, str], file: Path) -> None:
    ended = run("batch", "run", str(file), "--lane", "managed", settings=settings)

    assert ended.status == 2
    assert "llmmanager batch submit FILE --lane managed" in ended.err


def test_a_flex_batch_needs_a_model_with_the_flex_tier(settings: dict[str, str], file: Path) -> None:
    ended = run("batch", "run", str(file), "-m", "Nova Lite", "--lane", "flex", settings=settings)

    assert ended.status == 2
    assert "lane: flex is not available: Nova Lite has no price in the flex tier" in ended.err


def test_a_terminal_shows_progress_and_waits_for_quota(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.set_window(4)
    fake_bedrock.set_quota(requests_per_minute=7, model=MODEL)
    settings = {**settings, **fake_bedrock.environment, "NO_COLOR": "1"}

    ended = run_in_terminal("batch", "run", str(file), "-m", "Nova Lite", settings=settings)

    assert ended.status == 0
    assert "per minute, $" in ended.out
    assert "waiting for quota for" in ended.out
    assert ERASE_LINE in ended.out
    assert shown(ended.out).startswith("20 of 20 records answered in ")


def test_records_wait_for_a_daily_quota_in_several_passes(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.set_window(0.1)
    message = "Too many tokens per day, please wait before trying again."
    fault = Fault(error="ThrottlingException", message=message, operation="Converse", count=40)
    fake_bedrock.add_fault(fault)
    settings = {**settings, **fake_bedrock.environment}

    ended = run("batch", "run", str(file), "--json", settings=settings)

    summary = json.loads(ended.out)
    assert ended.status == 0, ended.err
    assert (summary["answered"], summary["attempts"]) == (20, 60)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file has no records"),
        ('{"x": 1}\n', "no line is a valid record. Line 1: x: unknown field"),
        ("\x1f\ufffd", "no line is a valid record"),
    ],
)
def test_a_file_that_is_not_a_batch_is_a_usage_error(
    settings: dict[str, str], tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "x.jsonl").write_text(content)

    ended = run("batch", "run", "x.jsonl", cwd=tmp_path, settings=settings)

    assert ended.status == 2
    assert message in ended.err
    assert not (tmp_path / "x-results").exists()


def test_no_record_fails_for_want_of_credentials(settings: dict[str, str], file: Path) -> None:
    without = {**settings, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

    stopped = run("batch", "run", str(file), settings=without)
    continued = run("batch", "run", str(file), settings=settings)
    complete = run("batch", "run", str(file), settings=without)

    assert stopped.status == 3
    assert len(stopped.err.splitlines()) == 2
    assert "no AWS credentials were found" in stopped.err
    assert "20 of 20 records answered" in continued.out, continued.err
    assert complete.status == 0, complete.err


def test_no_record_fails_because_the_credentials_are_rejected(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.add_fault(Fault(error="ExpiredTokenException", operation="Converse"))

    stopped = run("batch", "run", str(file), settings=settings)
    fake_bedrock.clear_faults()
    continued = run("batch", "run", str(file), settings=settings)

    assert stopped.status == 3, stopped.err
    assert "ExpiredTokenException" in stopped.err
    assert "20 of 20 records answered" in continued.out, continued.err
    assert continued.status == 0


def test_two_processes_do_not_run_the_same_batch(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.set_latency(seconds=PATIENCE_SECONDS, operation="Converse")
    process = start("batch", "run", str(file), settings=settings)
    wait_until(lambda: any(call.operation == "Converse" for call in fake_bedrock.calls))

    second = run("batch", "run", str(file), settings=settings)
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)

    assert second.status == 2
    assert "another process is running this batch" in second.err


def test_validate_prints_the_problems_of_each_line_without_a_call(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    valid = run("batch", "validate", str(file), settings=settings)
    write(file, [*records(2), {"recordId": "record-1", "messages": "Again"}, {"messages": 5}])
    invalid = run("batch", "validate", file.name, cwd=file.parent, settings=settings)

    assert (valid.status, valid.out) == (0, "20 valid, 0 invalid\n")
    assert invalid.status == 1
    assert "questions.jsonl:3: recordId: 'record-1' is also the id of an earlier line" in invalid.out
    assert invalid.out.endswith("2 valid, 2 invalid\n")
    assert not fake_bedrock.calls


def test_the_report_of_a_folder_is_written_again_with_samples(settings: dict[str, str], file: Path) -> None:
    folder = file.parent / "questions-results"
    run("batch", "run", str(file), settings=settings)
    before = (folder / "report.html").read_text()

    ended = run("batch", "report", str(folder), "--samples", "3", "--json")

    after = (folder / "report.html").read_text()
    answers = [
        html.escape(line["modelOutput"]["output"]["message"]["content"][0]["text"])
        for line in read(folder / "results.jsonl")
    ]
    assert json.loads(ended.out) == {"report": str(folder / "report.html")}
    assert [sum(answer in page for answer in answers) for page in (before, after)] == [0, 3]
    assert run("batch", "report", str(file.parent)).status == 2


def test_an_answer_that_breaks_a_rule_is_requested_again(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    write(file, records(2))
    rules = {"mustContain": ["never said"], "retries": 1}

    ended = run(
        *("batch", "run", "questions.jsonl", "--response-validation", json.dumps(rules)),
        cwd=file.parent,
        settings=settings,
    )

    failed = read(file.parent / "questions-results" / "failed.jsonl")
    assert ended.status == 1, ended.err
    assert len([call for call in fake_bedrock.calls if call.operation == "Converse"]) == 4
    assert [line["error"]["type"] for line in failed] == ["InvalidResponseError"] * 2
    assert [len(line["validationErrors"]) for line in failed] == [2, 2]


def test_the_batch_stops_when_too_many_records_have_failed_and_continues_later(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path
) -> None:
    fake_bedrock.add_fault(Fault(error="ValidationException", operation="Converse", count=3))
    arguments = ("batch", "run", "questions.jsonl", "--concurrency", "1", "--max-failed-share", "0.1")

    stopped = run(*arguments, cwd=file.parent, settings=settings)
    failed = read(file.parent / "questions-results" / "failed.jsonl")
    continued = run(*arguments, "--retry-failed", cwd=file.parent, settings=settings)

    assert stopped.status == 4
    assert "before the record was started: 3 of its 20 records had failed" in stopped.out
    assert {line["error"]["code"] or line["error"]["type"] for line in failed} == {
        "ValidationException",
        "StoppedOnFailure",
    }
    assert len(failed) >= 17
    assert continued.status == 0, continued.err
    assert "20 of 20 records answered" in continued.out


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("{", "--response-validation: not JSON"),
        ("{}", "responseValidation: must have at least one of jsonSchema"),
        ('{"pattern": "("}', "responseValidation.pattern: is invalid: missing )"),
    ],
)
def test_invalid_rules_are_a_usage_error(
    settings: dict[str, str], fake_bedrock: FakeBedrock, file: Path, rules: str, problem: str
) -> None:
    ended = run(
        *("batch", "run", "questions.jsonl", "--response-validation", rules),
        cwd=file.parent,
        settings=settings,
    )

    assert (ended.status, ended.out) == (2, "")
    assert problem in ended.err
    assert not [call for call in fake_bedrock.calls if call.operation == "Converse"]
