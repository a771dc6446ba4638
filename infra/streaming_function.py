"""A function behind API Gateway that streams its responses, if the setting `streaming` is on.

With `streaming: false`, the same function runs on Lambda's standard runtime and sends each response as a
whole.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.python_function import FunctionBase, PythonFunction
from lambdas.contract import GATEWAY_SECONDS, STREAMING_SECONDS, STREAMING_WRAPPER


def build_streaming_function(scope: Construct, *, base: FunctionBase, module: str) -> PythonFunction:
    """Return the function.

    Args:
        module: the module with its two handlers, `handler` for streams and `buffered_handler`.
    """
    streaming = base.settings.streaming
    return PythonFunction(
        scope,
        "Handler",
        base=base,
        handler=f"{module}.handler" if streaming else f"{module}.buffered_handler",
        timeout_seconds=STREAMING_SECONDS if streaming else GATEWAY_SECONDS,
        memory_mb=1024,
        reserved_concurrency=base.settings.streaming_concurrency,
        environment={"AWS_LAMBDA_EXEC_WRAPPER": f"/var/task/{STREAMING_WRAPPER}"} if streaming else {},
    )


def build_integration(function: PythonFunction, *, streaming: bool) -> apigateway.LambdaIntegration:
    """Return the integration of all methods that the function answers.

    A function must not have both kinds of integrations: they need different formats of responses.
    """
    return apigateway.LambdaIntegration(
        function.function,
        scope_permission_to_method=False,
        response_transfer_mode=apigateway.ResponseTransferMode.STREAM if streaming else None,
        timeout=Duration.seconds(STREAMING_SECONDS) if streaming else None,
    )
