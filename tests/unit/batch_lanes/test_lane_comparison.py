"""The comparison of lanes assumes a stack with default settings."""

from __future__ import annotations

from infra.settings import DEFAULTS
from llmmanager.batch_lanes.lane_comparison import CALLS_AT_ONCE


def test_the_calls_at_once_are_those_of_a_stack_with_default_settings() -> None:
    assert DEFAULTS["map_concurrency"] * DEFAULTS["worker_concurrency"] == CALLS_AT_ONCE
