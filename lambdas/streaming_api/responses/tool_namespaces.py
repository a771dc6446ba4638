"""Tools in namespaces, such as those of an MCP server.

Converse has no namespaces. A tool is sent with the name of its namespace before its own, and the answer has
both names again.
"""

from __future__ import annotations

from typing import NamedTuple


class ToolName(NamedTuple):
    """The name of a tool and of its namespace ("" without one)."""

    name: str
    namespace: str = ""

    @property
    def full(self) -> str:
        """The name that is unique among all tools."""
        return f"{self.namespace}__{self.name}" if self.namespace else self.name
