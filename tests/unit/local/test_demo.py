"""The demo lists every check by name, and fails if a check fails."""

from __future__ import annotations

import io

import pytest

from local.checks import Check
from local.demo import report_checks
from local.steps import Steps

GOOD = Check("every record is answered", True, "60 and 60")
BAD = Check("summary and results have the same number of tokens", False, "20 and 21")


def test_every_check_is_listed_by_name() -> None:
    out = io.StringIO()
    assert report_checks([GOOD, GOOD], steps=Steps(out), seconds=1.0) == 0
    assert "   1  ok      every record is answered\n   2  ok      every record is answered" in out.getvalue()
    assert "2 of 2 checks passed" in out.getvalue()


def test_a_failed_check_is_marked_and_reports_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = io.StringIO()
    assert report_checks([GOOD, BAD], steps=Steps(out), seconds=1.0) == 1
    assert "   2  FAILED  summary and results have the same number of tokens" in out.getvalue()
    assert "1 of 2 checks passed" in out.getvalue()
    assert (
        capsys.readouterr().err
        == "FAILED: summary and results have the same number of tokens (found: 20 and 21)\n"
    )
