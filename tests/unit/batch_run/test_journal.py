"""The journal of a batch survives interruptions, and has one deciding result for each record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmmanager.batch_run.journal import Journal, JournalError


def result(record_id: str, status: str = "answered", cost: float | None = 0.5) -> dict[str, Any]:
    return {"recordId": record_id, "status": status, "estimatedCostUsd": cost}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_journal_continues_with_its_results_and_its_start(path: Path) -> None:
    with Journal(path, "digest") as journal:
        started = journal.started_at
        journal.add(result("a"))
        journal.add(result("b", "interrupted", 0.25))
        journal.add(result("c", "failed", None))
    with Journal(path, "digest") as journal:
        assert journal.statuses == {"a": "answered", "c": "failed"}
        assert journal.cost_usd == 0.75
        assert journal.started_at == started
        assert journal.result("a") == result("a")
        assert journal.result("b") is None


@pytest.mark.parametrize("removed", [1, 10, 30])
def test_an_incomplete_last_line_is_removed(path: Path, removed: int) -> None:
    with Journal(path, "digest") as journal:
        journal.add(result("a"))
        journal.add(result("b"))
    path.write_bytes(path.read_bytes()[:-removed])

    with Journal(path, "digest") as journal:
        assert journal.statuses == {"a": "answered"}
        journal.add(result("c"))
    with Journal(path, "digest") as journal:
        assert list(journal.statuses) == ["a", "c"]


def test_a_journal_without_a_complete_first_line_starts_again(path: Path) -> None:
    path.write_bytes(b'{"journal": 1, "inp')

    with Journal(path, "digest") as journal:
        journal.add(result("a"))
    with Journal(path, "digest") as journal:
        assert journal.statuses == {"a": "answered"}


def test_an_answer_precedes_a_failure_and_an_earlier_result_a_later_one(path: Path) -> None:
    with Journal(path, "digest") as journal:
        for number, (id_, status) in enumerate(
            [("a", "failed"), ("b", "failed"), ("a", "answered"), ("b", "failed"), ("a", "answered")]
        ):
            journal.add({**result(id_, status), "number": number})
        found = {(entry["number"]): is_deciding for entry, is_deciding in journal.results()}

    assert found == {0: False, 1: True, 2: True, 3: False, 4: False}


def test_a_journal_of_another_input_is_rejected_and_unchanged(path: Path) -> None:
    with Journal(path, "digest") as journal:
        journal.add(result("a"))
    before = path.read_bytes()

    with pytest.raises(JournalError, match="another input"):
        Journal(path, "other")
    assert path.read_bytes() == before


def test_a_file_that_is_not_a_journal_is_rejected(path: Path) -> None:
    path.write_text(json.dumps(result("a")) + "\n")

    with pytest.raises(JournalError, match="is not the journal of a batch"):
        Journal(path, "digest")


def test_a_journal_has_one_user_at_a_time(path: Path) -> None:
    with Journal(path, "digest"), pytest.raises(JournalError, match="another process"):
        Journal(path, "digest")
    Journal(path, "digest").__exit__(None, None, None)
