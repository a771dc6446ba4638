"""Whether a record lacks quota."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from llmmanager import BedrockResponse, QuotaExceededError
from llmmanager.batch_files.quota_shortage import Shortage, shortage_of
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt

THROTTLED = ("ThrottlingException", "Too many requests, please wait before trying again.")
OUT_OF_DAILY_QUOTA = ("ThrottlingException", "Too many tokens per day, please wait before trying again.")
UNAVAILABLE = ("ServiceUnavailableException", "Service unavailable")
DENIED = ("AccessDeniedException", "You don't have access to the model with the specified model ID.")


def failed(*errors: tuple[str, str, str], last_decision: str = "other_region") -> BedrockResponse:
    """A failed response with attempts at regions, each as (region, code, message)."""
    now = datetime.now(UTC)
    attempts = [
        RequestAttempt(
            model_id="amazon.nova-lite-v1:0",
            region=region,
            access_method="on_demand",
            attempt_number=number,
            start_time=now,
            end_time=now,
            success=False,
            error=ClientError({"Error": {"Code": code, "Message": message}}, "Converse"),
            invoke_id="amazon.nova-lite-v1:0",
            decision=last_decision,
        )
        for number, (region, code, message) in enumerate(errors, start=1)
    ]
    return BedrockResponse(success=False, attempts=attempts)


@pytest.mark.parametrize(
    ("response", "shortage"),
    [
        (BedrockResponse(success=True), None),
        (BedrockResponse(success=False, error=QuotaExceededError("no quota")), Shortage.MINUTE),
        (failed(("one", *OUT_OF_DAILY_QUOTA), ("two", *DENIED)), Shortage.DAY),
        (failed(("one", *THROTTLED)), Shortage.MINUTE),
        (failed(("one", *THROTTLED), ("two", *OUT_OF_DAILY_QUOTA)), Shortage.DAY),
        (failed(("one", *THROTTLED), ("one", *UNAVAILABLE)), None),
        (failed(("one", *UNAVAILABLE), ("two", *DENIED)), None),
        (failed(("one", *THROTTLED), ("two", *DENIED), last_decision="give_up"), None),
        (failed(), None),
    ],
)
def test_a_record_lacks_quota_if_a_target_ended_with_a_throttle(response, shortage):
    assert shortage_of(response) is shortage
