"""What the functions of the HTTP API log."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from lambdas.shared.function_log import logger


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Returns everything that was logged, by the functions and by the libraries."""
    written = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return lambda: written.getvalue() + caplog.text
