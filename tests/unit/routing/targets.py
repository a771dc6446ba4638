"""Targets without a catalog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """A model in a region, with an access method."""

    model_id: str
    region: str
    access_method: str = "on_demand"

    @property
    def invoke_id(self) -> str:
        return self.model_id if self.access_method == "on_demand" else f"{self.access_method}.{self.model_id}"
