"""What the HTTP function pays for at its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LATER = ("aws_lambda_powertools.utilities.idempotency", "aws_lambda_powertools.event_handler", "pydantic")


def test_what_only_some_requests_need_is_not_imported_with_the_handler():
    probe = (
        "import sys, lambdas.http_api.handler\nprint([name for name in sys.argv[1:] if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", probe, *LATER],
        cwd=Path(__file__).resolve().parents[3],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
