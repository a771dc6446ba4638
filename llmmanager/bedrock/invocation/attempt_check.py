"""Calls `before_attempt` for the attempts of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.invocation.attempt_bounds import AttemptBounds
from llmmanager.bedrock.invocation.call_record import CallRecord
from llmmanager.bedrock.models.attempt_guard import AttemptGuard, PlannedAttempt
from llmmanager.bedrock.routing.quota_gate import Permit


class AttemptCheck:
    """The `before_attempt` of one call.

    Args:
        guard: the caller's function.
        request_id: the id of the `BedrockConverseRequest`, or None.

    Attributes:
        error: the `LLMManagerError` with which the function ended the call, or None.
    """

    def __init__(self, guard: AttemptGuard, request_id: str | None) -> None:
        self.error: LLMManagerError | None = None
        self._guard = guard
        self._request_id = request_id

    def run(
        self,
        target: ModelAccess,
        request: Mapping[str, Any],
        *,
        body: bytes,
        record: CallRecord,
        permit: Permit,
    ) -> None:
        """Call the caller's function for an attempt. What it raises ends the call.

        Args:
            request: the Converse request for the target.
            body: the encoded request.
            record: the attempts of the call so far.
            permit: the permission to send the attempt, which is returned if the function raises.
        """
        planned = PlannedAttempt(
            model_id=target.model_id,
            region=target.region,
            access_method=str(target.access_method) if target.access_method is not None else None,
            inference_profile_id=target.inference_profile_id,
            request_id=self._request_id,
            attempts=tuple(record.attempts),
            bounds=AttemptBounds(target, request, body),
        )
        try:
            self._guard(planned)
        except BaseException as error:
            permit.rejected()
            if isinstance(error, LLMManagerError):
                error.response = replace(record.response(None, None, success=False), error=error)
                self.error = error
            raise
