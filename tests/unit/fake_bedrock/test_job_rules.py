"""Settings and scripted outcomes of batch jobs."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.testing import JobFault, JobSettings


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"outcome": "lost"}, "outcome must be one of completed, partial"),
        ({"processed": 1.5}, "processed must be a whole number"),
        ({"failing": 1.1}, "failing must be a number from 0 to 1"),
        ({"late_seconds": -1}, "late_seconds"),
        ({"unknown_ids": True}, "unknown_ids"),
        ({"truncated": "yes"}, "truncated must be true or false"),
        ({"job_name": 1}, "job_name must be a string"),
        ({"model": "Nova Lite"}, "model must be an id"),
    ],
)
def test_an_invalid_outcome_is_rejected_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        JobFault(**values)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"speed": 2}, "speed is unknown; accepted are start_seconds"),
        ({"min_records": 0.5}, "min_records must be a whole number"),
        ({"record_seconds": None}, "record_seconds must be a number"),
    ],
)
def test_an_invalid_setting_is_rejected_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        JobSettings().changed(**values)


@pytest.mark.parametrize(
    ("fault", "processed"),
    [
        (JobFault(), 9),
        (JobFault(processed=4), 4),
        (JobFault(outcome="partial"), 4),
        (JobFault(outcome="partial", processed=20), 9),
        (JobFault(outcome="failed"), 0),
        (JobFault(outcome="expired", processed=2), 2),
    ],
)
def test_an_outcome_says_how_many_records_are_processed(fault: JobFault, processed: int) -> None:
    assert fault.processed_of(9) == processed
