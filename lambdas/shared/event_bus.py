"""Publish events on the stack's own event bus."""

from __future__ import annotations

from lambdas.contract import EventSource
from lambdas.shared import clients
from lambdas.shared.settings import event_bus


class NotPublished(Exception):
    """The event bus did not accept the event."""


def publish(detail_type: str, detail: str) -> None:
    """Publish an event. `detail` is JSON text.

    Raises:
        NotPublished, ClientError: the bus did not accept it.
    """
    entry = {
        "EventBusName": event_bus(),
        "Source": EventSource.OWN,
        "DetailType": detail_type,
        "Detail": detail,
    }
    result = clients.event_bridge().put_events(Entries=[entry])
    if result.get("FailedEntryCount"):
        raise NotPublished(result["Entries"][0].get("ErrorCode"))
