"""The error for a request that cannot be mapped to Converse."""

from __future__ import annotations

from typing import Final

UNSUPPORTED: Final = "unsupported_parameter"


class MappingError(Exception):
    """A field is invalid, or Bedrock has no equivalent for it. The client gets a 400.

    Attributes:
        param: the path of the field as the client wrote it, such as `messages[2].content[0].image_url.url`.
        problem: what is accepted, or what to do instead.
        code: OpenAI's `code`: "invalid_value", "missing_required_parameter" or "unsupported_parameter"; or a
            code of Anthropic's API by which clients recognize the error.
    """

    def __init__(self, param: str, problem: str, *, code: str = "invalid_value") -> None:
        super().__init__(f"{param}: {problem}")
        self.param = param
        self.problem = problem
        self.code = code


def missing(param: str) -> MappingError:
    """Return the error for a required field that is missing."""
    return MappingError(param, "is required", code="missing_required_parameter")


def unsupported(param: str, instead: str, *, code: str = UNSUPPORTED) -> MappingError:
    """Return the error for a field without an equivalent in Bedrock.

    Args:
        instead: what to do instead.
    """
    return MappingError(param, f"is not supported; {instead}", code=code)
