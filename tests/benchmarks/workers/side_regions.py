"""LLMManager where each region has an address of its own, as on AWS, so that one of them can be down.

botocore takes one address for all regions from the environment; here each client is given its region's.
"""

from __future__ import annotations

from typing import Any

from botocore.session import Session

from llmmanager import LLMManager

_create_client = Session.create_client


class Side:
    """See serve.py; `addresses` has an address for each region."""

    def __init__(
        self, model: dict[str, str], messages: list[Any], addresses: dict[str, str], **_: Any
    ) -> None:
        def create_client(session: Session, *args: Any, region_name: str, **arguments: Any) -> Any:
            arguments["endpoint_url"] = addresses[region_name]
            return _create_client(session, *args, region_name=region_name, **arguments)

        Session.create_client = create_client
        self._make = lambda: LLMManager([model["name"]], list(addresses))
        self._messages = messages

    def converse(self) -> str:
        """The first answer of a new manager."""
        return self._make().converse(self._messages).get_content()
