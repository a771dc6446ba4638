"""`llmmanager batch submit` before it calls a stack."""

from __future__ import annotations

from pathlib import Path

from tests.command_line import run


def test_a_file_without_a_valid_record_is_a_usage_error_without_a_call(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("hi\n")

    ended = run("batch", "submit", "x.jsonl", cwd=tmp_path, settings={})

    assert ended.status == 2
    assert "no line is a valid record. Line 1" in ended.err
