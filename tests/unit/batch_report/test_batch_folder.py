"""The report of a batch in a local folder."""

from __future__ import annotations

import json

import pytest

from llmmanager.batch_report.batch_folder import write_report


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_the_report_is_written_from_the_files_of_the_batch(tmp_path, make_summary, make_answer, make_failure):
    write_lines(tmp_path / "summary.json", make_summary(failed=1, rejected=1))
    write_lines(tmp_path / "results.jsonl", make_answer(text="A sample."))
    write_lines(tmp_path / "failed.jsonl", make_failure(message="Input is too long"))
    write_lines(tmp_path / "rejected.jsonl", {"line": 7, "reasons": ["record: is not JSON"]})

    report = write_report(tmp_path, samples=1)

    assert report == tmp_path / "report.html"
    html = report.read_text("utf-8")
    for found in ("A sample.", "Input is too long", "Line 7"):
        assert found in html


def test_a_batch_without_results_has_a_report(tmp_path, make_summary):
    write_lines(tmp_path / "summary.json", make_summary(answered=0))

    assert "The batch had no records." in write_report(tmp_path).read_text("utf-8")


def test_a_folder_without_a_summary_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"summary\.json"):
        write_report(tmp_path)
