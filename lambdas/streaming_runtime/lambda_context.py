"""The context object that a handler gets beside the event."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lambdas.streaming_runtime.runtime_api import Invocation


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """Lambda's context object, with the names and types of the managed Python runtime.

    `client_context` and `identity` are None: only mobile apps send them.
    """

    invocation: Invocation
    aws_request_id: str
    invoked_function_arn: str
    function_name: str | None
    function_version: str | None
    memory_limit_in_mb: str | None
    log_group_name: str | None
    log_stream_name: str | None
    client_context: None = None
    identity: None = None

    @classmethod
    def of(cls, invocation: Invocation) -> LambdaContext:
        """Return the context of an invocation. Lambda's variables describe the function."""
        return cls(
            invocation,
            aws_request_id=invocation.request_id,
            invoked_function_arn=invocation.function_arn,
            function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME"),
            function_version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
            memory_limit_in_mb=os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME"),
            log_stream_name=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"),
        )

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out; never negative."""
        return int(self.invocation.seconds_left() * 1000)
