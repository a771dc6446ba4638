"""Count the usage of workers that could not do so, such as killed ones, from their result files."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.storage import ResultPart
from lambdas.shared.function_log import logger
from lambdas.usage.invocation_usage import InvocationUsage, read_usage_metadata
from lambdas.usage.spending import patient_ledger, report_unrecorded
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_table import UsageTable


class MissedUsage:
    """The usage of the invocations of a batch that wrote results without a budget. Thread-safe."""

    def __init__(self, batch_id: str) -> None:
        self._batch_id = batch_id
        self._lock = threading.Lock()
        # The usage in the last part of each invocation, and the number of the part.
        self._last: dict[str, tuple[int, InvocationUsage]] = {}

    def note(self, part: ResultPart, metadata: Mapping[str, str]) -> None:
        """Note the usage in the metadata of a part."""
        usage = read_usage_metadata(metadata)
        if usage is None:
            return
        with self._lock:
            number, _ = self._last.get(usage.id, (0, usage))
            if part.number >= number:
                self._last[usage.id] = part.number, usage

    def count(self) -> None:
        """Count what no worker has counted. It can be repeated, and never raises."""
        ledger = patient_ledger()
        try:
            counted = UsageTable(ledger.client, ledger.table).counted(self._batch_id)
        except (BotoCoreError, ClientError) as error:
            logger.warning("missed usage not counted", extra={"error_type": type(error).__name__})
            return
        for _, usage in self._last.values():
            if usage.id not in counted:
                self._count(usage)

    def _count(self, usage: InvocationUsage) -> None:
        try:
            patient_ledger().count(usage.rows, now=datetime.now(UTC), once=(self._batch_id, usage.id))
        except UsageTableUnavailable as error:
            report_unrecorded(usage.rows, error, invocation=usage.id)
            return
        logger.warning("usage recorded later", extra={"invocation": usage.id})
