"""API keys: their table, and the Lambda authorizer that checks them for an API.

A REST API takes an authorizer of `KeyAuthorizer` for each of its methods. The HTTP API manages the keys.
"""

from __future__ import annotations

from functools import cached_property

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.python_function import FunctionBase, PythonFunction
from infra.settings import DeploymentSettings
from infra.table import build_table
from lambdas.contract import API_KEY_INDEX, EnvironmentVariable, TableAttribute


def build_key_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """Return the table of API keys, with one item per key and an index of all keys by creation time."""
    table = build_table(scope, "KeyTable", settings=settings, partition_key=TableAttribute.ID)
    table.add_global_secondary_index(
        index_name=API_KEY_INDEX,
        partition_key=dynamodb.Attribute(name=TableAttribute.KIND, type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name=TableAttribute.CREATED, type=dynamodb.AttributeType.STRING),
    )
    return table


def allow_managing_keys(function: PythonFunction, table: dynamodb.ITable) -> None:
    """Let the function create, list, read and revoke keys. It cannot delete a key."""
    function.allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", resources=[table.table_arn])
    function.allow("dynamodb:Query", resources=[f"{table.table_arn}/index/{API_KEY_INDEX}"])
    function.function.add_environment(EnvironmentVariable.KEY_TABLE, table.table_name)


class KeyAuthorizer(Construct):
    """The function that checks keys, and authorizers of one REST API that call it.

    An authorizer becomes part of the template, and of the API, when a method uses it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, base: FunctionBase, table: dynamodb.ITable
    ) -> None:
        super().__init__(scope, construct_id)
        self._cached = Duration.seconds(base.settings.key_cache_seconds)
        self.handler = PythonFunction(
            self,
            "Handler",
            base=base,
            handler="lambdas.api_keys.authorizer.handler",
            # Two reads of the table with their connections take at most 6 s.
            timeout_seconds=10,
            # CPU comes with memory, and the imports of a cold start (0.25 s of CPU) delay a caller.
            memory_mb=1024,
            environment={EnvironmentVariable.KEY_TABLE: table.table_name},
        )
        self.handler.allow("dynamodb:GetItem", resources=[table.table_arn])

    @property
    def bearer(self) -> apigateway.IAuthorizer:
        """The authorizer for `Authorization: Bearer`."""
        return self._bearer if self._cached.to_seconds() else self.either

    @cached_property
    def either(self) -> apigateway.IAuthorizer:
        """The authorizer for `Authorization: Bearer` and `x-api-key`.

        Its results are not cached: a cache needs a header that every request has, and API Gateway answers a
        request without it with 401.
        """
        return apigateway.RequestAuthorizer(
            self,
            "Either",
            handler=self.handler.function,
            identity_sources=[],
            results_cache_ttl=Duration.seconds(0),
        )

    @cached_property
    def _bearer(self) -> apigateway.IAuthorizer:
        return apigateway.RequestAuthorizer(
            self,
            "Bearer",
            handler=self.handler.function,
            identity_sources=[apigateway.IdentitySource.header("Authorization")],
            results_cache_ttl=self._cached,
        )
