"""The verdict of the demo lists every check by name, and fails when one does not hold."""

from __future__ import annotations

import io

import pytest

from infra.local.checks import Check
from infra.local.demo import verdict
from infra.local.steps import Steps

GOOD = Check("every record is answered", True, "60 and 60")
BAD = Check("summary and results agree on the tokens", False, "20 and 21")


def test_every_check_is_listed_by_name() -> None:
    out = io.StringIO()
    assert verdict([GOOD, GOOD], steps=Steps(out), seconds=1.0) == 0
    assert "   1  ok      every record is answered\n   2  ok      every record is answered" in out.getvalue()
    assert "2 of 2 checks hold" in out.getvalue()


def test_a_check_that_does_not_hold_is_marked_and_says_what_was_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = io.StringIO()
    assert verdict([GOOD, BAD], steps=Steps(out), seconds=1.0) == 1
    assert "   2  FAILED  summary and results agree on the tokens" in out.getvalue()
    assert "1 of 2 checks hold" in out.getvalue()
    assert capsys.readouterr().err == "FAILED: summary and results agree on the tokens (found: 20 and 21)\n"
