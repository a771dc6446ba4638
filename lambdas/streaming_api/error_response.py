"""The response for an error, in the format of the client."""

from __future__ import annotations

from lambdas.shared.function_log import logger
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.response_headers import json_headers
from llmmanager.json_format.json_text import dump


def error_response(error: ApiError, *, request_id: str, anthropic: bool) -> StreamedResponse:
    """Return the response for an error that happened before the answer began.

    Args:
        anthropic: whether the document has the format of Anthropic's API instead of OpenAI's.
    """
    logger.info("request failed", extra={"status": error.status, "code": error.code})
    document = error.anthropic_document(request_id) if anthropic else error.openai_document()
    return StreamedResponse(error.status, {**json_headers(request_id), **error.headers}, [dump(document)])
