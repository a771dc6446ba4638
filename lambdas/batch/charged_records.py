"""The records of a shard as their caller is charged for them."""

from __future__ import annotations

import threading
from typing import Any

from lambdas.batch.over_budget import budget_error
from lambdas.shared.manager import RequestTargets, model_ids
from lambdas.shared.metrics import Tally
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.caller import Caller
from lambdas.usage.charged_request import priced_targets, with_max_tokens, with_metadata
from lambdas.usage.shard_spending import ShardSpending
from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.batch_files.results import interrupted_result, result_of
from llmmanager.bedrock.models.attempt_guard import AttemptGuard
from llmmanager.json_format.codec import InvalidRequest


class ChargedRecords:
    """Prepares the records of a shard for their caller, and counts what they used in metrics and usage.

    Attributes:
        targets: the models and regions that the records may use.
    """

    def __init__(
        self, caller: Caller, targets: RequestTargets, *, batch_id: str, spending: ShardSpending, tally: Tally
    ) -> None:
        self.targets = targets
        self._problem: InvalidRequest | None = None
        if spending.is_budgeted:
            try:
                self.targets = priced_targets(targets)
            except InvalidRequest as error:
                self._problem = error
        self._caller = caller
        self._batch_id = batch_id
        self._spending = spending
        self._tally = tally
        # The requests in progress without what is added to them.
        self._given: dict[str, BedrockConverseRequest] = {}

    def prepare(self, request: BedrockConverseRequest) -> BedrockConverseRequest:
        """Return the request of a record as it is sent.

        Raises:
            InvalidRequest: its `requestMetadata` has no room for the caller, or a budget applies and no model
                has a known price.
        """
        if self._problem is not None:
            raise self._problem
        prepared = with_metadata(request, self._caller, batch_id=self._batch_id)
        if self._spending.is_budgeted:
            prepared = with_max_tokens(prepared, model_ids(self.targets))
        self._given[str(request.request_id)] = request
        return prepared

    def guard(self, stop: threading.Event) -> AttemptGuard:
        """Return the `before_attempt` of a run that ends when `stop` is set."""
        return self._spending.guard(stop)

    def result(self, prepared: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
        """Count a record that has ended, and return its result."""
        self._tally.add(response)
        self._spending.end(str(prepared.request_id), response)
        result = result_of(self._given.pop(str(prepared.request_id)), response)
        if self._caller.team:
            result["team"] = self._caller.team
        if isinstance(response.error, BudgetExceeded):
            # The reason is not the error of an attempt before.
            result["error"] = budget_error(response.error)
        return result

    def interrupted(self, prepared: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
        """Count the attempts of a record that runs again, and return them as a result."""
        self._tally.add_attempts(response)
        self._spending.end(str(prepared.request_id), response, runs_again=True)
        return interrupted_result(self._given.pop(str(prepared.request_id)), response)
