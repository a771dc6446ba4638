"""How a record of a batch is tried."""

from __future__ import annotations

from typing import Final

from llmmanager.bedrock.models.llm_manager_structures import RetryConfig

RECORD_RETRIES: Final = RetryConfig(max_retries=10, max_retry_delay=20)
"""A batch has more time than a single request, so it retries more often and waits longer."""

RECORD_SECONDS: Final = 240
"""How long a record is tried, without waits for quota."""
