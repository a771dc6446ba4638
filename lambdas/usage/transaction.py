"""Write to DynamoDB in transactions that take effect once, however often they are retried."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.shared.function_log import logger
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError

CONFLICT_DELAY_SECONDS: Final = 0.1
"""Maximum delay after a conflict. A transaction that writes the same item takes some 10 ms."""

_FIRST_DELAY_SECONDS: Final = 0.02
_LONGEST_DELAY_SECONDS: Final = 0.5
_CANCELED: Final = "TransactionCanceledException"
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_CONFLICT: Final = "TransactionConflict"
# Reasons of a canceled transaction that can succeed later.
_TEMPORARY_REASONS: Final = {_CONFLICT, "ProvisionedThroughputExceeded", "ThrottlingError"}
_TEMPORARY_ERRORS: Final = {
    "TransactionInProgressException",
    "TransactionConflictException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}


class UsageTableUnavailable(LLMManagerError):
    """The usage table cannot be read or written. A transaction may or may not have taken effect."""


class TransactionConflict(Exception):
    """Another transaction writes an item at the same time, so this one had no effect."""


class ConditionFailed(Exception):
    """The condition of a write is not met, so the transaction had no effect.

    Attributes:
        items: for each write of the transaction, the stored item if its condition failed and it asked for
            the item, an empty mapping if the item does not exist, and None if its condition did not fail.
    """

    def __init__(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        self.items: list[Mapping[str, Any] | None] = [
            reason.get("Item") or {} if reason.get("Code") == _FAILED_CONDITION else None
            for reason in reasons
        ]
        super().__init__(f"failed conditions of writes: {[reason.get('Code') for reason in reasons]}")


def new_token() -> str:
    """Return a token for a transaction, which takes effect once however often it is sent with this token."""
    return uuid.uuid4().hex


def write(
    client: Any,
    items: Sequence[Mapping[str, Any]],
    *,
    token: str,
    seconds: float,
    retry_conflicts: bool = True,
    conflict_delay: float = CONFLICT_DELAY_SECONDS,
) -> None:
    """Write items in one transaction, and retry conflicts and temporary errors.

    Args:
        client: a DynamoDB client of botocore.
        items: the writes, as in TransactWriteItems.
        token: identifies the transaction; not used for other writes.
        seconds: no try starts later than this.
        retry_conflicts: whether a conflict at the first try is retried.
        conflict_delay: maximum seconds between two tries that conflict. The smaller, the sooner it succeeds
            among others.

    Raises:
        TransactionConflict: there is a conflict, which is not retried.
        ConditionFailed: the condition of a write is not met.
        UsageTableUnavailable: the table cannot be written. The transaction may have taken effect.
    """
    end = time.monotonic() + seconds
    longest = _FIRST_DELAY_SECONDS
    while True:
        try:
            client.transact_write_items(TransactItems=items, ClientRequestToken=token)
            return
        except ClientError as error:
            reasons = _reasons(error)
            if any(reason.get("Code") == _FAILED_CONDITION for reason in reasons):
                raise ConditionFailed(reasons) from None
            if not _is_temporary(error, reasons):
                raise unavailable(error) from error
            is_conflict = _CONFLICT in {reason.get("Code") for reason in reasons}
            if is_conflict and not retry_conflicts:
                raise TransactionConflict from error
            last: Exception = error
        except BotoCoreError as error:
            is_conflict = False
            last = error
        # A try before may take effect later, so this transaction cannot be replaced by another.
        retry_conflicts = True
        # Random, so that writers that were in each other's way do not meet again.
        delay = random.uniform(0, min(longest, conflict_delay) if is_conflict else longest)
        if time.monotonic() + delay > end:
            raise unavailable(last) from last
        time.sleep(delay)
        longest = min(longest * 2, _LONGEST_DELAY_SECONDS)


def unavailable(error: Exception) -> UsageTableUnavailable:
    """Return the error for a table that cannot be read or written, and log the reason.

    Callers see the error, for example at the end of a stream. The reason can name the role of the function.
    """
    logger.warning("usage table unavailable", extra={"reason": str(error)})
    return UsageTableUnavailable("the usage table is unavailable")


def _reasons(error: ClientError) -> Sequence[Mapping[str, Any]]:
    reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons") or ()
    return reasons


def _is_temporary(error: ClientError, reasons: Sequence[Mapping[str, Any]]) -> bool:
    code = error.response["Error"]["Code"]
    if code == _CANCELED:
        return bool({reason.get("Code") for reason in reasons} & _TEMPORARY_REASONS)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _TEMPORARY_ERRORS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
