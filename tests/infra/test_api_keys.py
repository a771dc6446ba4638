"""The table of API keys, the authorizer of a REST API, and that neither logs nor traces hold a key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_

from infra.api_keys import KeyAuthorizer, build_key_table
from infra.python_function import FunctionBase
from infra.settings import DeploymentSettings
from lambdas.contract import API_KEY_INDEX

Properties = dict[str, dict[str, Any]]


def test_the_index_of_the_table_is_the_one_that_the_functions_query(stack: Any) -> None:
    (index,) = stack.of_type("AWS::DynamoDB::Table")["KeyTable"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == API_KEY_INDEX


def test_the_table_stays_when_the_stack_is_deleted(stack: Any, varied: Any) -> None:
    assert stack.resources["KeyTable"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert varied.resources["KeyTable"]["DeletionPolicy"] == "Delete"


@pytest.fixture
def api_with_keys(tmp_path: Path) -> Callable[..., dict[str, Properties]]:
    """Return a function that synthesises an API whose methods use all authorizers.

    It returns the properties of methods and authorizers by type and construct.
    """

    def synthesise(**settings: Any) -> dict[str, Properties]:
        app = cdk.App(outdir=str(tmp_path))
        stack = cdk.Stack(app, "Stack")
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "any.py").touch()
        base = FunctionBase(
            settings=DeploymentSettings(**settings), code=lambda_.Code.from_asset(str(tmp_path / "code"))
        )
        table = build_key_table(stack, base.settings)
        authorizer = KeyAuthorizer(stack, "KeyAuthorizer", base=base, table=table)
        api = apigateway.RestApi(stack, "Api", cloud_watch_role=False)
        for path, used in {
            "chat": authorizer.bearer,
            "messages": authorizer.either,
        }.items():
            api.root.add_resource(path).add_method("POST", apigateway.MockIntegration(), authorizer=used)
        resources = app.synth().get_stack_by_name("Stack").template["Resources"]
        found: dict[str, Properties] = {}
        for name, resource in resources.items():
            short = re.sub(r"[0-9A-F]{8}$", "", name)
            found.setdefault(resource["Type"], {})[short] = resource.get("Properties", {})
        return found

    return synthesise


def identity_sources(resources: dict[str, Properties]) -> dict[str, tuple[int, str]]:
    """Return lifetime in seconds and identity source of each method's authorizer, by the method's path."""
    authorizers = resources["AWS::ApiGateway::Authorizer"]
    found = {}
    for name, method in resources["AWS::ApiGateway::Method"].items():
        assert method["AuthorizationType"] == "CUSTOM"
        authorizer = authorizers[re.sub(r"[0-9A-F]{8}$", "", method["AuthorizerId"]["Ref"])]
        assert authorizer["Type"] == "REQUEST"
        path = name.removeprefix("Api").removesuffix("POST")
        found[path] = (authorizer["AuthorizerResultTtlInSeconds"], authorizer["IdentitySource"])
    return found


def test_each_kind_of_route_has_its_own_identity_source(api_with_keys: Any) -> None:
    assert identity_sources(api_with_keys()) == {
        "chat": (300, "method.request.header.Authorization"),
        # API Gateway answers 401 if one of several identity sources is missing, so there is no cache.
        "messages": (0, ""),
    }


def test_without_a_cache_every_route_accepts_both_headers(api_with_keys: Any) -> None:
    resources = api_with_keys(key_cache_seconds=0)

    assert set(identity_sources(resources).values()) == {(0, "")}
    assert len(resources["AWS::ApiGateway::Authorizer"]) == 1


def test_api_gateway_may_invoke_the_authorizer_for_this_api_only(api_with_keys: Any) -> None:
    resources = api_with_keys()

    permissions = resources["AWS::Lambda::Permission"].values()
    assert len(permissions) == 2
    for permission in permissions:
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert "KeyAuthorizerHandlerFunction" in permission["FunctionName"]["Fn::GetAtt"][0]
        assert "/authorizers/" in json.dumps(permission["SourceArn"])


def test_logs_and_traces_of_api_gateway_hold_no_header_and_no_path_of_a_request(synthesise: Any) -> None:
    traced = synthesise(tracing=True)
    stages = traced.of_type("AWS::ApiGateway::Stage").values()
    assert stages
    for stage in stages:
        # Execution logs would have the headers of each request.
        assert not any(setting["DataTraceEnabled"] for setting in stage["MethodSettings"])
        assert not any("LoggingLevel" in setting for setting in stage["MethodSettings"])
        logged = json.loads(stage["AccessLogSetting"]["Format"]).values()
        assert not any(re.search(r"header|\$context\.(path|authorizer\.key)\b", value) for value in logged)
