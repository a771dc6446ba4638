"""Check the records of a batch against rules of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.shared.answer_options import output_schema_conflicts
from lambdas.shared.s3_locations import line_problems
from lambdas.usage.caller import Caller
from lambdas.usage.charged_request import given_metadata
from llmmanager import BedrockConverseRequest
from llmmanager.batch_files.records import FieldCheck
from llmmanager.json_format.codec import InvalidRequest


def record_check(caller: Caller, *, batch_id: str, has_output_schema: bool) -> FieldCheck:
    """Return the check of the records of a batch: the S3 files, and room in `requestMetadata`.

    Args:
        caller: who pays for the batch.
        has_output_schema: whether the batch has a schema for the answers, which not every record allows.
    """

    def problems(line: bytes, fields: Mapping[str, Any], request: BedrockConverseRequest) -> list[str]:
        found = line_problems(line, fields)
        if has_output_schema:
            found += output_schema_conflicts(request.output_config, request.tool_config)
        if metadata := given_metadata(request):
            try:
                caller.add_metadata(metadata, batch_id=batch_id)
            except InvalidRequest as error:
                found += error.reasons
        return found

    return problems
